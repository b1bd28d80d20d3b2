"""One run: files -> findings -> what the user wants to hear of them -> reports and exit code."""

from __future__ import annotations

import os
import sys

from calico_lint.options import UsageError
from calico_lint.report import FORMATS
from calico_lint.settings import exclusion, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from calico_lint.cache import Outcome
    from calico_lint.files import File
    from calico_lint.fixing import FixRun
    from calico_lint.kops.releases import Releases
    from calico_lint.linter import Input, LintResult
    from calico_lint.patterns import Patterns
    from calico_lint.policy import Policy
    from calico_lint.yaml_source import Source

OK, FINDINGS, FAILURE, NOTHING_CHECKED, INTERRUPTED = 0, 1, 2, 3, 130
MANY_FILES = 100  # with fewer, starting a second process costs more than it saves
_RANK = {"error": 0, "warning": 1, "info": 2}
# What is done before the parser is loaded: something for the installed command (`calico_lint.cli.program`) only.
before_parsing: Callable[[], object] | None = None


def lint_once(options: argparse.Namespace) -> int:
    """One run with settled options; returns the exit code. Raises UsageError."""
    if options.unsafe_fixes and not (options.fix or options.diff):
        raise UsageError("--unsafe-fixes goes with --fix or --diff")
    if options.write_baseline and (options.fix or options.diff):
        raise UsageError("--write-baseline: not together with --fix or --diff: fix first, then keep what remains")
    if options.advise and (options.format not in ("text", "json") or options.statistics or options.fix or options.diff):
        raise UsageError("--advise goes with --format text or json, and without --statistics, --fix and --diff")

    from calico_lint.files import read_files

    if options.statistics and options.format not in ("text", "json"):
        raise UsageError(f"--statistics: as text or json, not as {options.format}")
    outputs = _outputs(options)
    unreadable: list[str] = []
    named, stdin_name = not options.only_kops, options.stdin_filename
    files = list(
        read_files(
            options.paths,
            unreadable,
            named=named,
            stdin_name=stdin_name,
            max_bytes=options.max_bytes,
            exclude=exclusion(options),
            gitignore=options.respect_gitignore,
            note=_left_out if options.list_files and not options.quiet else None,
        )
    )
    if options.old:
        old = list(read_files([options.old], unreadable, role="old", stdin_name="<old>", max_bytes=options.max_bytes))
        files += old
    if options.from_git is not None:
        old = _at_revision(options)
        files += old
    for problem in unreadable:
        print(f"calico-lint: {problem}", file=sys.stderr)
    if (options.old or options.from_git is not None) and not old:
        return FAILURE
    if options.list_files:
        code = _list_files(options, files)
        return FAILURE if unreadable else code

    color = options.color == "always" or (
        options.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )
    cache = None
    outcome = None
    # What these read or write besides the specs is not part of the key.
    bound = options.schema or options.fix or options.diff or options.baseline or options.write_baseline
    if options.cache and not (bound or unreadable or outputs):
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
    if options.diff or _is_filter(options):  # what a file holds, byte by byte
        sys.stdout.buffer.write(out.encode("utf-8", "surrogateescape"))
    elif options.format != "text":  # what a program reads is UTF-8, whatever the terminal can show or a file is called
        sys.stdout.buffer.write(out.encode("utf-8", "replace"))
    elif out.isascii():
        sys.stdout.write(out)
    else:
        from calico_lint.plain import register

        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(out.encode(encoding, register()).decode(encoding))
    sys.stderr.write(err)
    return FAILURE if unreadable else code


def _lint(
    options: argparse.Namespace, files: list[File], outputs: dict[str, str], unreadable: list[str], *, color: bool
) -> Outcome:
    """Lint and render; writes the `--output` files. Raises UsageError where an option does not parse."""
    if before_parsing is not None:
        before_parsing()
    from calico_lint.linter import Input, lint
    from calico_lint.yaml_source import Source

    releases = given_release(options.kops_version, place(options, "kops_version"))
    old_releases = given_release(options.from_kops_version, "--from-kops-version")
    policy = _policy(options, files)
    per_file = _releases_per_file(options)
    check_own = _own_schema(options.schema) if options.schema else None
    shared = None
    paired = any(file.role == "old" for file in files)
    if not (paired or check_own or options.fix or options.diff):
        shared = _in_parallel(options, files, releases, per_file)
    if shared is not None:
        inputs, linted = shared
    else:
        inputs = [
            Input(Source(file.path, file.data, options.max_bytes), named=file.named)
            for file in files
            if file.role == "new"
        ]
    old = [Input(Source(file.path, file.data, options.max_bytes)) for file in files if file.role == "old"]

    def check(current: Sequence[Input]) -> LintResult:
        for item in current if per_file else ():
            item.releases = _release_of(item.source.path, per_file)
        if shared is not None:
            result = linted
        else:
            result = lint(current, old=old, releases=releases, old_releases=old_releases)
        if check_own is not None:
            check_own(current, result)
        if policy is not None:
            policy.apply(result, {item.source.path: item.source for item in current})
        return result

    fixes = None
    if options.fix or options.diff:
        from calico_lint.fixing import fix_files

        new = [file for file in files if file.role == "new"]
        fixes = fix_files(new, inputs, check, unsafe=options.unsafe_fixes, write=not options.diff)
        inputs, result = fixes.inputs, fixes.result
    else:
        result = check(inputs)
    code = _exit_code(result, options)
    prose = ""
    if code == NOTHING_CHECKED and options.format == "text":
        prose = "calico-lint: nothing was checked: no kOps spec was found\n"
    if options.format == "text" and not options.quiet:
        prose += _without_calico(result)
    from calico_lint.report import render

    sources = {item.source.path: item.source for item in (*inputs, *old)}
    if policy is not None:
        sources |= policy.sources
    if options.write_baseline:
        return _write_baseline(options.write_baseline, result, sources, unreadable)

    def report(format: str, *, color: bool = False) -> str:
        kops, fail_on = options.kops_version, options.fail_on
        return render(format, result, sources, kops=kops, fail_on=fail_on, unreadable=unreadable, color=color)

    stale = sum(finding.rule == "Y023" for finding in result.findings)
    if stale:
        prose += f"calico-lint: {options.baseline}: {stale} {'entry is' if stale == 1 else 'entries are'} stale\n"
    failures = _write_outputs(outputs, report)
    quiet = options.quiet and options.format == "text" and not result.findings
    if options.statistics:
        from calico_lint.report import statistics

        out = statistics.render(result, options.format)
    elif options.advise:
        from calico_lint.advise import render as advise

        out = advise(result, options.format)
    else:
        out = "" if quiet or options.diff else report(options.format, color=color)
    if fixes is not None:
        failures += "".join(f"calico-lint: {message}\n" for message in fixes.failures)
        prose += "".join(f"calico-lint: {message}\n" for message in fixes.messages)
        if fixes.summary and not options.quiet:
            prose += f"calico-lint: {'would fix' if options.diff else 'fixed'} {fixes.summary}\n"
        if options.diff:
            out = fixes.diff
            code = code if code == NOTHING_CHECKED else FINDINGS if out and not options.exit_zero else OK
        elif _is_filter(options):
            prose, out = out + prose, _fixed_stdin(files, fixes)
    return FAILURE if failures else code, out, prose + failures


def _without_calico(result: LintResult) -> str:
    """A line for every network that is not Calico: that there is no finding about Calico means nothing then."""
    names: dict[str, list[str]] = {}
    for cluster, _ in result.clusters:
        if cluster.cni not in (None, "calico"):
            names.setdefault(str(cluster.cni), []).append(cluster.name or "a cluster without a name")
    if not names:
        return ""
    from calico_lint.kops.other_networks import what_applies

    lines = ""
    for cni, clusters in names.items():
        more = f" and {len(clusters) - 3} more" if len(clusters) > 3 else ""
        run = "runs" if len(clusters) == 1 else "run"
        which = "".join(letter if letter.isprintable() else "?" for letter in ", ".join(clusters[:3]))
        lines += f"calico-lint: {which}{more} {run} {cni}: {what_applies(cni)}\n"
    return lines


def _at_revision(options: argparse.Namespace) -> list[File]:
    """The paths at the revision of `--from-git`."""
    from calico_lint.revision import RevisionError, read_revision

    if options.old:
        raise UsageError("--from-git: not together with --from: both name the old spec")
    try:
        files = read_revision(
            options.from_git, options.paths, stdin_name=options.stdin_filename, max_bytes=options.max_bytes
        )
    except RevisionError as error:
        raise UsageError(f"--from-git: {error}") from error
    if not files:
        raise UsageError(f"--from-git: {options.from_git} has no YAML or JSON file below {', '.join(options.paths)}")
    return files


def _is_filter(options: argparse.Namespace) -> bool:
    """Whether the fixed text of standard input goes to standard output, and the report out of its way."""
    return bool(options.fix and not options.diff and "-" in options.paths)


def _fixed_stdin(files: list[File], fixes: FixRun) -> str:
    for file in files:
        if file.role == "new" and file.real is None:
            return fixes.fixed.get(file.path, file.data).decode("utf-8", "surrogateescape")
    return ""


def _policy(options: argparse.Namespace, files: list[File]) -> Policy | None:
    """What the user wants to hear; None for everything, as it is."""
    wishes = options.select or options.ignore or options.extend_select or options.per_file_ignores or options.severity
    if not (wishes or options.baseline or any(b"calico-lint:" in file.data for file in files)):
        return None
    from calico_lint.policy import Policy

    return Policy(options, paired=any(file.role == "old" for file in files))


def _releases_per_file(options: argparse.Namespace) -> list[tuple[Patterns, Releases]]:
    """The kOps of some files: patterns, the last written first, because that decides."""
    if not options.per_file_kops_version:
        return []
    from calico_lint.patterns import Patterns

    found = []
    where = place(options, "per_file_kops_version")
    for pattern, text in options.per_file_kops_version.items():
        releases = given_release(text, f"{where}: {pattern}")
        assert releases is not None
        found.append((Patterns([pattern], options.settings_folder, where), releases))
    return found[::-1]


def _release_of(path: str, per_file: list[tuple[Patterns, Releases]]) -> Releases | None:
    return next((releases for patterns, releases in per_file if patterns.covers(path)), None)


def _in_parallel(
    options: argparse.Namespace,
    files: list[File],
    releases: Releases | None,
    per_file: list[tuple[Patterns, Releases]],
) -> tuple[list[Input], LintResult] | None:
    """What several processes make of the files; None where one is enough."""
    if options.jobs == 1 or (not options.jobs and len(files) < MANY_FILES):
        return None
    from calico_lint.parallel import lint_files, processes

    count = processes(options.jobs, len(files))
    if count < 2:
        return None
    own = [_release_of(file.path, per_file) for file in files]
    return lint_files(files, own, releases, options.max_bytes, count)


def _write_baseline(path: str, result: LintResult, sources: dict[str, Source], unreadable: list[str]) -> Outcome:
    from calico_lint.baseline import text_of
    from calico_lint.report.files import write

    if unreadable:
        raise UsageError(f"--write-baseline: {path} is not written: not every path could be read")
    if any(os.path.realpath(path) == os.path.realpath(report.path) for report in result.files):
        raise UsageError(f"--write-baseline: {path} is a spec to lint; it would be overwritten")
    try:
        write(path, text_of(result.findings, sources, path))
    except OSError as error:
        raise UsageError(f"--write-baseline: {path}: {error.strerror or error}") from error
    count = len(result.findings)
    return OK, "", f"calico-lint: wrote {count} finding{'' if count == 1 else 's'} to {path}\n"


def _left_out(path: str, reason: str) -> None:
    print(f"not checked: {path}: {reason}", file=sys.stderr)


def _list_files(options: argparse.Namespace, files: list[File]) -> int:
    from calico_lint.linter import skip_reason
    from calico_lint.yaml_source import Source

    code = NOTHING_CHECKED
    for file in files:
        reason = None if file.named else skip_reason(Source(file.path, file.data, options.max_bytes))
        if reason is None:
            sys.stdout.write(f"{file.path}\n")
            code = OK
        elif not options.quiet:
            _left_out(file.path, reason)
    return code


def _own_schema(path: str) -> Callable[[Sequence[Input], LintResult], None]:
    """What adds the findings of an organisation's own schema to a result."""
    from calico_lint.rules.organisation import OrganisationSchema, SchemaFileError

    try:
        schema = OrganisationSchema(path)
    except SchemaFileError as error:
        raise UsageError(f"--schema: {error}") from error

    def check(inputs: Sequence[Input], result: LintResult) -> None:
        linted = [item for item, report in zip(inputs, result.files, strict=True) if report.skipped is None]
        try:
            result.findings += schema.check(item.source for item in linted)
        except SchemaFileError as error:
            raise UsageError(f"--schema: {error}") from error
        result.findings.sort(key=lambda finding: finding.sort_key())

    return check


def given_release(text: str | None, option: str) -> Releases | None:
    """The release that an option or setting names; None if it names none. Raises UsageError where it does not parse."""
    if text is None:
        return None
    from calico_lint.kops.releases import ReleaseError, parse_release

    try:
        return parse_release(text)
    except ReleaseError as error:
        raise UsageError(f"{option}: {error}") from error


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
