"""calico-lint: arguments -> run -> report -> exit code. No logic of its own."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from calico_lint import __version__
from calico_lint.report import FORMATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from calico_lint.cache import Outcome
    from calico_lint.files import File
    from calico_lint.kops.releases import Releases
    from calico_lint.linter import Input, LintResult

OK, FINDINGS, FAILURE, NOTHING_CHECKED, INTERRUPTED = 0, 1, 2, 3, 130
_RANK = {"error": 0, "warning": 1, "info": 2}


class UsageError(Exception):
    """The command line asks for something that cannot be done; the message says what and what to do."""


class _HelpFormatter(argparse.HelpFormatter):
    """As wide as the terminal says. argparse would load shutil, and with it every compression module, to ask."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=max(40, int(columns) - 2) if columns.isdigit() else 100)


def build_parser() -> argparse.ArgumentParser:
    """The options of the command line contract that exist today."""
    parser = argparse.ArgumentParser(
        prog="calico-lint",
        formatter_class=_HelpFormatter,
        description="Check kOps cluster specs against what Calico and kOps require.",
        epilog="Exit: 0 nothing at or above --fail-on; 1 findings; 2 usage or unreadable path; 3 nothing was checked.",
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", help="files, folders (searched for *.yaml, *.yml, *.json), - for stdin")
    add("--from", dest="old", metavar="OLD", help="the spec as it is today: adds the upgrade rules")
    add("--kops-version", metavar="X.Y.Z", default=os.environ.get("KOPS_VERSION") or None,
        help="the kOps that will apply PATH (default: $KOPS_VERSION, else inferred from the spec)")  # fmt: skip
    add("--from-kops-version", metavar="X.Y.Z", help="the kOps that last applied OLD")
    add("--format", choices=FORMATS, default="text", help="of the report on stdout")
    add("--output", metavar="FORMAT=FILE", action="append", default=[],
        help="write a report into a file besides; repeatable")  # fmt: skip
    add("--select", metavar="RULES", action="append", help="only these rules: ids or prefixes, comma-separated")
    add("--ignore", metavar="RULES", action="append", help="all but these rules")
    add("--extend-select", metavar="RULES", action="append", help="these rules besides the selected ones")
    add("--fail-on", choices=("error", "warning", "info"), default="error", help="exit 1 at or above this severity")
    add("--exit-zero", action="store_true", help="exit 0 in spite of findings")
    add("--only-kops", action="store_true",
        help="skip named files that are no kOps specs; for hooks that are given every changed file")  # fmt: skip
    add("--stdin-filename", metavar="NAME", default="<stdin>", help="how to call standard input in the report")
    add("--quiet", "-q", action="store_true", help="no summary where there is nothing to report")
    add("--color", choices=("auto", "always", "never"), default="auto")
    add("--schema", metavar="FILE", help="a JSON Schema of your own to check every Cluster and InstanceGroup with")
    add("--print-schema", choices=("cluster", "instancegroup"),
        help="print the JSON Schema of --kops-version (default: the newest) for editors, and stop")  # fmt: skip
    add("--no-cache", action="store_true", help="lint even if the same run was cached")
    add("--explain", metavar="RULE", help="print a rule's text and stop")
    add("--list-rules", action="store_true", help="print all rules and stop")
    add("--version", action="version", version=f"calico-lint {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run calico-lint; returns the exit code. Never a traceback for what the user can cause."""
    try:
        options = build_parser().parse_intermixed_args(argv)
        code = run(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"calico-lint: {error}", file=sys.stderr)
        return FAILURE
    except BrokenPipeError:
        # The reader went away (`| head`): not our failure. Keep the interpreter from flushing into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # of standard output: what cannot be read is told apart where it is read
        print(f"calico-lint: the report could not be written: {error.strerror or error}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("CALICO_LINT_DEBUG"):
            raise
        print(
            f"calico-lint: internal error: {type(error).__name__}: {error}\n"
            "This is a bug of calico-lint. Please report it with the spec, or the part of it that matters; "
            "CALICO_LINT_DEBUG=1 shows where it happened.",
            file=sys.stderr,
        )
        return FAILURE


def program() -> None:
    """The installed command: `main`, and out.

    Without garbage collection, because the run is short and its data has hardly any cycles; and out by
    os._exit, because taking the documents apart, which nobody will read again, costs a tenth of a cold run.
    """
    gc.disable()
    os._exit(main())


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for; returns the exit code. Raises UsageError."""
    if options.explain:
        return _explain(options.explain)
    if options.list_rules:
        from calico_lint.explain import list_rules

        sys.stdout.write(list_rules())
        return OK
    if options.print_schema:
        return _print_schema(options)
    if not options.paths:
        raise UsageError("name a file, a folder or - (standard input); --help shows the options")

    from calico_lint.files import read_files

    outputs = _outputs(options)
    unreadable: list[str] = []
    named, stdin_name = not options.only_kops, options.stdin_filename
    files = list(read_files(options.paths, unreadable, named=named, stdin_name=stdin_name))
    if options.old:
        old = list(read_files([options.old], unreadable, role="old", stdin_name="<old>"))
        files += old
    for problem in unreadable:
        print(f"calico-lint: {problem}", file=sys.stderr)
    if options.old and not old:
        return FAILURE

    color = options.color == "always" or (
        options.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )
    cache = None
    outcome = None
    if not (options.no_cache or options.schema or unreadable or outputs):
        from calico_lint.cache import Cache

        settings = {name: value for name, value in vars(options).items() if name not in ("paths", "old", "color")}
        # SARIF names files outside the working directory by their absolute path.
        cache = Cache(repr((sorted(settings.items(), key=str), color, os.getcwd())), files)
        outcome = cache.get()
    if outcome is None:
        outcome = _lint(options, files, outputs, unreadable, color=color)
        if cache is not None:
            cache.put(outcome)
    code, out, err = outcome
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(out.encode(encoding, "replace").decode(encoding))
    sys.stderr.write(err)
    return FAILURE if unreadable else code


def _lint(
    options: argparse.Namespace, files: list[File], outputs: dict[str, str], unreadable: list[str], *, color: bool
) -> Outcome:
    """Lint and render; writes the `--output` files. Raises UsageError where an option does not parse."""
    from calico_lint.linter import Input, lint
    from calico_lint.yaml_source import Source

    releases = _release(options.kops_version, "--kops-version")
    old_releases = _release(options.from_kops_version, "--from-kops-version")
    keep = _selection(options)
    check_own = _own_schema(options.schema) if options.schema else None
    inputs = [Input(Source(file.path, file.data), named=file.named) for file in files if file.role == "new"]
    old = [Input(Source(file.path, file.data)) for file in files if file.role == "old"]
    result = lint(inputs, old=old, releases=releases, old_releases=old_releases)
    if check_own is not None:
        check_own(inputs, result)
    if keep is not None:
        result.findings = [finding for finding in result.findings if finding.rule in keep]
    code = _exit_code(result, options)
    prose = ""
    if code == NOTHING_CHECKED and options.format == "text":
        prose = "calico-lint: nothing was checked: no kOps spec was found\n"
    from calico_lint.report import render

    sources = {item.source.path: item.source for item in (*inputs, *old)}

    def report(format: str, *, color: bool = False) -> str:
        kops, fail_on = options.kops_version, options.fail_on
        return render(format, result, sources, kops=kops, fail_on=fail_on, unreadable=unreadable, color=color)

    failures = _write_outputs(outputs, report)
    quiet = options.quiet and options.format == "text" and not result.findings
    out = "" if quiet else report(options.format, color=color)
    return FAILURE if failures else code, out, prose + failures


def _explain(name: str) -> int:
    from calico_lint import rules
    from calico_lint.explain import explain

    wanted = name.upper()
    for rule in rules.all_rules():
        if wanted in (rule.id, *rule.aliases) or name == rule.name:
            sys.stdout.write(explain(rule))
            return OK
    raise UsageError(f"there is no rule {name!r}: --list-rules shows them")


def _print_schema(options: argparse.Namespace) -> int:
    import json

    from calico_lint.kops.releases import NEWEST_MINOR, newest_of_minor
    from calico_lint.schema import plain_schema

    releases = _release(options.kops_version, "--kops-version")
    release = releases.first if releases is not None else newest_of_minor(NEWEST_MINOR)
    kind = {"cluster": "Cluster", "instancegroup": "InstanceGroup"}[options.print_schema]
    json.dump(plain_schema(kind, "v1alpha2", release.minor), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return OK


def _own_schema(path: str) -> Callable[[list[Input], LintResult], None]:
    """What adds the findings of an organisation's own schema to a result."""
    from calico_lint.rules.organisation import OrganisationSchema, SchemaFileError

    try:
        schema = OrganisationSchema(path)
    except SchemaFileError as error:
        raise UsageError(f"--schema: {error}") from error

    def check(inputs: list[Input], result: LintResult) -> None:
        linted = [item for item, report in zip(inputs, result.files, strict=True) if report.skipped is None]
        try:
            result.findings += schema.check(item.source for item in linted)
        except SchemaFileError as error:
            raise UsageError(f"--schema: {error}") from error
        result.findings.sort(key=lambda finding: finding.sort_key())

    return check


def _release(text: str | None, option: str) -> Releases | None:
    if text is None:
        return None
    from calico_lint.kops.releases import ReleaseError, parse_release

    try:
        return parse_release(text)
    except ReleaseError as error:
        raise UsageError(f"{option}: {error}") from error


def _selection(options: argparse.Namespace) -> set[str] | None:
    """The ids to report, or None for all."""
    if not (options.select or options.ignore):
        return None
    from calico_lint import rules

    def ids(values: list[str] | None, option: str) -> set[str]:
        patterns = tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())
        try:
            return rules.matching(patterns)
        except KeyError as error:
            raise UsageError(f"{option}: no rule has the id or prefix {error.args[0]!r}: see --list-rules") from error

    selected = ids(options.select, "--select") if options.select else {rule.id for rule in rules.all_rules()}
    selected |= ids(options.extend_select, "--extend-select")
    return selected - ids(options.ignore, "--ignore")


def _outputs(options: argparse.Namespace) -> dict[str, str]:
    """The `--output` files with their formats. Raises UsageError for what could not be meant."""
    outputs: dict[str, str] = {}
    specs = {os.path.realpath(path) for path in (*options.paths, options.old) if path}
    for value in options.output:
        format, _, path = value.partition("=")
        if format not in FORMATS or not path:
            raise UsageError(f"--output: {value!r} is not FORMAT=FILE; FORMAT is one of {', '.join(FORMATS)}")
        if path == "-":
            raise UsageError(f"--output: for standard output use --format {format}")
        if path in outputs:
            raise UsageError(f"--output: {path} is named twice")
        if os.path.realpath(path) in specs:
            raise UsageError(f"--output: {path} is a spec to lint; it would be overwritten")
        outputs[path] = format
    return outputs


def _write_outputs(outputs: dict[str, str], report: Callable[[str], str]) -> str:
    """Write the files; returns what to say of those that could not be written."""
    if not outputs:
        return ""
    from calico_lint.report.files import write

    failures = ""
    for path, format in outputs.items():
        try:
            write(path, report(format))
        except OSError as error:
            failures += f"calico-lint: --output: {path}: {error.strerror or error}\n"
    return failures


def _exit_code(result: LintResult, options: argparse.Namespace) -> int:
    limit = _RANK[options.fail_on]
    if any(_RANK[finding.severity] <= limit for finding in result.findings) and not options.exit_zero:
        return FINDINGS
    checked = any(report.documents for report in result.files) or bool(result.findings)
    return OK if checked or options.only_kops else NOTHING_CHECKED
