"""What can be asked of calico-lint: its command line."""

from __future__ import annotations

import argparse
import os

from calico_lint import __version__
from calico_lint.report import FORMATS


class UsageError(Exception):
    """The user asks for something that cannot be done; the message says what, where, and what to do."""


class _HelpFormatter(argparse.HelpFormatter):
    """As wide as the terminal says. argparse would load shutil, and with it every compression module, to ask."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=max(40, int(columns) - 2) if columns.isdigit() else 100)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """The options of the command line contract that exist today."""
    parser = argparse.ArgumentParser(
        prog="calico-lint",
        usage="calico-lint [OPTIONS] PATH...",  # argparse would write its own at every start, to have it for an error
        formatter_class=_HelpFormatter,
        description="Check kOps cluster specs against what Calico and kOps require.",
        epilog="Exit: 0 nothing at or above --fail-on; 1 findings; 2 usage or unreadable path; 3 nothing was checked. "
        "What is not given here comes from .calico-lint.toml or [tool.calico-lint] in pyproject.toml.",
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", help="files, folders (searched for *.yaml, *.yml, *.json), - for stdin")
    add("--from", dest="old", metavar="OLD", help="the spec as it is today: adds the upgrade rules")
    add("--from-git", metavar="REV", help="the same PATHs at a revision of their git repository as OLD")
    add("--kops-version", metavar="X.Y.Z",
        help="the kOps that will apply PATH (default: $KOPS_VERSION, else inferred from the spec)")  # fmt: skip
    add("--from-kops-version", metavar="X.Y.Z", help="the kOps that last applied OLD")
    add("--format", choices=FORMATS, default="text", help="of the report on stdout")
    add("--output", metavar="FORMAT=FILE", action="append", default=[],
        help="write a report into a file besides; repeatable")  # fmt: skip
    add("--select", metavar="RULES", action="append", help="only these rules: ids or prefixes, comma-separated")
    add("--ignore", metavar="RULES", action="append", help="all but these rules")
    add("--extend-select", metavar="RULES", action="append", help="these rules besides the selected ones")
    add("--fix", action="store_true",
        help="apply the safe fixes and report what remains; - prints the fixed text to stdout, the report to stderr"
    )  # fmt: skip
    add("--diff", action="store_true",
        help="show what --fix would change and write nothing: exit 1 if it would change something, else 0")  # fmt: skip
    add("--unsafe-fixes", action="store_true",
        help="with --fix or --diff: also fixes that may change what a running cluster gets")  # fmt: skip
    add("--no-inline-ignores", dest="inline_ignores", action="store_const", const=False,
        help="report what `# calico-lint: ignore[...]` comments suppress")  # fmt: skip
    add("--require-reason", action="store_const", const=True, help="such a comment must give a reason")
    add("--baseline", metavar="FILE", help="report only what is not in this baseline")
    add("--write-baseline", metavar="FILE", help="write all findings into a baseline, and stop")
    add("--fail-on", choices=("error", "warning", "info"), help="exit 1 at or above this severity (default: error)")
    add("--exit-zero", action="store_true", help="exit 0 in spite of findings")
    add("--only-kops", action="store_true",
        help="skip named files that are no kOps specs; for hooks that are given every changed file")  # fmt: skip
    add("--exclude", metavar="PATTERN", action="append",
        help="leave out files and folders that a search finds: patterns as in .gitignore")  # fmt: skip
    add("--no-respect-gitignore", dest="respect_gitignore", action="store_const", const=False,
        help="search what .gitignore leaves out, too")  # fmt: skip
    add("--list-files", action="store_true", help="list what would be checked, and on stderr what not and why; stop")
    add("--max-bytes", metavar="N", type=_positive, help="do not read files larger than this (default: 10000000)")
    add("--stdin-filename", metavar="NAME", default="<stdin>", help="how to call standard input in the report")
    add("--statistics", action="store_true", help="count the findings of each rule instead of showing them")
    add("--advise", action="store_true",
        help="show the few changes that are worth most, with their reasons, instead of the findings; text or json"
    )  # fmt: skip
    add("--quiet", "-q", action="store_true", help="no summary where there is nothing to report")
    add("--color", choices=("auto", "always", "never"), default="auto")
    add("--schema", metavar="FILE", help="a JSON Schema of your own to check every Cluster and InstanceGroup with")
    add("--print-schema", choices=("cluster", "instancegroup", "settings"),
        help="print the JSON Schema of --kops-version (default: the newest) for editors, and stop")  # fmt: skip
    add("--config", metavar="FILE", help="the settings file (default: searched from the first PATH upwards)")
    add("--isolated", action="store_true", help="read no settings file")
    add("--show-settings", action="store_true", help="print every setting with its origin, and stop")
    add("--no-cache", dest="cache", action="store_const", const=False, help="lint even if the same run was cached")
    add("--jobs", metavar="N", type=_positive, help="how many processes (default: 2 for many files, else 1)")
    add("--watch", action="store_true", help="lint again whenever a file changes, until Ctrl-C")
    add("--v1-data", metavar="PATH|URL", action="append",
        help="lint Calico v1 data instead of specs: what calicoctl v2 printed, a dump of etcd's v2 keys, or "
        "etcd://HOST:PORT; PATHs are more of it")  # fmt: skip
    add("--calico-upgrade", choices=("v1.0.5", "master"),
        help="the conversion to check against (default: v1.0.5, as kOps runs it); given, how both differ is reported"
    )  # fmt: skip
    add("--write-v3", metavar="FILE", help="write the converted resources, and FILE.names.tsv with the names")
    add("--etcd-ca", metavar="FILE", help="the CA of etcd's certificate (else APIV1_ETCD_CA_CERT_FILE)")
    add("--etcd-cert", metavar="FILE", help="the client certificate for etcd (else APIV1_ETCD_CERT_FILE)")
    add("--etcd-key", metavar="FILE", help="the key of that certificate (else APIV1_ETCD_KEY_FILE)")
    add("--v3-data", metavar="URL",
        help="the etcd of the v3 store, or none to leave it alone (default: ETCD_ENDPOINTS, else that of the v1 store)"
    )  # fmt: skip
    add("--completion", choices=("bash", "zsh", "fish"), help="print the completion for a shell, and stop")
    add("--explain", metavar="RULE", help="print a rule's text and stop")
    add("--list-rules", action="store_true", help="print all rules and stop")
    add("--version", action="version", version=f"calico-lint {__version__}")
    return parser
