"""What can be asked of calico-lint: its command line.

Every option is declared once, in `_declare`. Two read the declarations: argparse, which knows everything and costs
a tenth of a cold run, and `parse`, which reads what is written as the help shows it and leaves the rest to argparse.
"""

from __future__ import annotations

import os

from calico_lint import __version__
from calico_lint.report import FORMATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    Option: TypeAlias = dict[str, Any]  # what `add_argument` takes by name, and `dest`


class UsageError(Exception):
    """The user asks for something that cannot be done; the message says what, where, and what to do."""


class Options:
    """What was asked for: the attributes of argparse's namespace."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; exits where argparse does (an error, --help, --version)."""
    # What stands behind `--` is a path, which argparse forgets when options and paths are mixed.
    end = argv.index("--") if "--" in argv else len(argv)
    values = _plain(argv[:end])
    options: Any = Options(values) if values is not None else build_parser().parse_intermixed_args(argv[:end])
    options.paths += argv[end + 1 :]
    return options  # type: ignore[no-any-return]


def _plain(argv: Sequence[str]) -> dict[str, Any] | None:
    """What argparse makes of a command line without abbreviations, bundles and errors; None for any other.

    Saves the import of argparse (with re, gettext and locale) and the building of its parser: 5 ms of a cold
    lint of 48, and half of an answer from the cache.
    """
    by_flag: dict[str, Option] = {}
    values: dict[str, Any] = {}

    def add(*flags: str, **option: Any) -> None:
        option["dest"] = dest = option.get("dest") or flags[0].lstrip("-").replace("-", "_")
        for flag in flags:
            by_flag[flag] = option
        if dest != "version":
            values[dest] = option.get("default", False if option.get("action") == "store_true" else None)

    _declare(add)
    paths: list[str] = []
    words = iter(argv)
    for word in words:
        if word[:1] != "-" or word == "-":
            paths.append(word)
            continue
        flag, equals, value = word.partition("=")
        option = by_flag.get(flag)
        if option is None:
            return None
        action = option.get("action")
        dest = option["dest"]
        if action == "version":
            if len(argv) > 1:
                return None  # what stands before it may be wrong
            print(option["version"])
            raise SystemExit(0)
        if action in ("store_true", "store_const"):
            if equals:
                return None
            values[dest] = option.get("const", True)
            continue
        if not equals:
            value = next(words, "-")
            if value[:1] == "-":
                return None
        if value not in option.get("choices", (value,)):
            return None
        if "type" in option:
            try:
                value = option["type"](value)
            except Exception:  # of whatever kind: argparse says what is wrong
                return None
        values[dest] = [*(values[dest] or ()), value] if action == "append" else value
    values["paths"] = paths
    return values


def build_parser() -> argparse.ArgumentParser:
    """The parser of argparse: for help, errors, abbreviations, and what is written from the options."""
    import argparse

    class HelpFormatter(argparse.HelpFormatter):
        """As wide as the terminal says. argparse would load shutil, and with it every compression module, to ask."""

        def __init__(self, prog: str) -> None:
            columns = os.environ.get("COLUMNS", "")
            super().__init__(prog, width=max(40, int(columns) - 2) if columns.isdigit() else 100)

    parser = argparse.ArgumentParser(
        prog="calico-lint",
        usage="calico-lint [OPTIONS] PATH...",  # argparse would write its own at every start, to have it for an error
        formatter_class=HelpFormatter,
        description="Check kOps cluster specs against what Calico and kOps require.",
        epilog="Exit: 0 nothing at or above --fail-on; 1 findings; 2 usage or unreadable path; 3 nothing was checked. "
        "What is not given here comes from .calico-lint.toml or [tool.calico-lint] in pyproject.toml.",
    )
    _declare(parser.add_argument)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _declare(add: Callable[..., object]) -> None:
    """Tell `add`, which takes what `ArgumentParser.add_argument` takes, of every option."""
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
