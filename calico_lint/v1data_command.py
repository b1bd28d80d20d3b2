"""`calico-lint --v1-data`: the dry run of Calico's migration, from an export, a dump, or a live etcd."""

from __future__ import annotations

import os
import sys
import time

from calico_lint import run as plain
from calico_lint.linter import LintResult
from calico_lint.options import UsageError
from calico_lint.settings import exclusion
from calico_lint.v1data import UPGRADES, convert, etcd
from calico_lint.v1data import report as v1_report
from calico_lint.v1data.sources import Reading, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from calico_lint.v1data import Conversion
    from calico_lint.yaml_source import Source

_NOTHING = "calico-lint: nothing was checked: no Calico v1 data was found"
_ELSEWHERE = (
    "old", "from_git", "fix", "diff", "unsafe_fixes", "advise", "watch", "list_files", "print_schema", "only_kops",
)  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Lint v1 data with settled options; returns the exit code. Raises UsageError."""
    for name in _ELSEWHERE:
        if getattr(options, name, None):
            option = "from" if name == "old" else name.replace("_", "-")
            raise UsageError(f"--{option} is about specs: it does not go with --v1-data")
    paths = [*options.v1_data, *options.paths]
    options.paths = paths
    outputs = plain._outputs(options)
    if options.write_v3:
        _check_output(options.write_v3, paths)
    reading, unreadable = read_all(options, paths)
    for problem in unreadable:
        print(f"calico-lint: {problem}", file=sys.stderr)
    if not reading.inputs:
        if unreadable:
            return plain.FAILURE
        print(_NOTHING, file=sys.stderr)
        return plain.NOTHING_CHECKED
    progress = _Progress()
    progress.update("convert", 0, 0)
    given = options.calico_upgrade
    upgrade = given or UPGRADES[0]
    keep = bool(given or options.write_v3)
    conversion = convert(reading.objects, upgrade, whole_store=reading.whole_store, keep=keep)
    other = None
    if given:
        rest = next(name for name in UPGRADES if name != upgrade)
        other = convert(reading.objects, rest, whole_store=reading.whole_store, keep=True)
    result = result_of(reading, conversion, other)
    progress.close()
    code, out, err = _report(options, reading, result, outputs, unreadable)
    if options.write_v3:
        err += _write_v3(options.write_v3, conversion, reading)
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(out.encode(encoding, "replace").decode(encoding))
    sys.stderr.write(err)
    return plain.FAILURE if unreadable else code


def read_all(options: argparse.Namespace, paths: list[str]) -> tuple[Reading, list[str]]:
    """What the paths hold, and what of them could not be read, each with its reason."""
    unreadable: list[str] = []
    progress = _Progress()
    try:
        reading = read(
            paths,
            unreadable,
            environment=os.environ,
            certificates={
                "ca": options.etcd_ca,
                "certificate": options.etcd_cert,
                "key": options.etcd_key,
            },
            v3_url=options.v3_data,
            stdin_name=options.stdin_filename,
            exclude=exclusion(options),
            gitignore=options.respect_gitignore,
            told=progress.update,
        )
    finally:
        progress.close()
    return reading, unreadable


def result_of(reading: Reading, conversion: Conversion, other: Conversion | None = None) -> LintResult:
    """The findings and the `v1_data` section as every report takes them."""
    result = LintResult()
    result.files = [file.report for file in reading.inputs]
    result.findings = sorted(v1_report.findings_of(reading, conversion), key=lambda finding: finding.sort_key())
    result.v1_data = v1_report.section(reading, conversion, other)
    return result


def _report(
    options: argparse.Namespace,
    reading: Reading,
    result: LintResult,
    outputs: dict[str, str],
    unreadable: list[str],
) -> tuple[int, str, str]:
    """(exit code, standard output, standard error); writes the `--output` files."""
    from calico_lint.policy import Policy
    from calico_lint.report import render

    sources: dict[str, Source] = {file.path: file.shown for file in reading.inputs}
    policy = Policy(options, paired=False)
    policy.apply(result, sources)
    sources |= policy.sources
    if options.write_baseline:
        return plain._write_baseline(options.write_baseline, result, sources, unreadable)
    code = plain._exit_code(result, options)

    def report(format: str, *, color: bool = False) -> str:
        return render(format, result, sources, fail_on=options.fail_on, unreadable=unreadable, color=color)

    err = plain._write_outputs(outputs, report)
    failed = bool(err)
    stale = sum(finding.rule == "Y023" for finding in result.findings)
    if stale:
        err += f"calico-lint: {options.baseline}: {stale} {'entry is' if stale == 1 else 'entries are'} stale\n"
    if code == plain.NOTHING_CHECKED and options.format == "text":
        err += f"{_NOTHING}\n"
    if options.statistics:
        from calico_lint.report import statistics

        out = statistics.render(result, options.format)
    elif options.quiet and options.format == "text" and not result.findings:
        out = ""
    else:
        color = options.color == "always" or (
            options.color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        )
        out = report(options.format, color=color)
        if options.format == "text" and code != plain.NOTHING_CHECKED:
            assert result.v1_data is not None
            out += v1_report.summary(result.v1_data)
    return plain.FAILURE if failed else code, out, err


def _check_output(path: str, paths: list[str]) -> None:
    inputs = {os.path.realpath(each) for each in paths if not etcd.is_url(each)}
    for written in (path, f"{path}.names.tsv"):
        if os.path.realpath(written) in inputs:
            raise UsageError(f"--write-v3: {written} is v1 data to read; it would be overwritten")


def _write_v3(path: str, conversion: Conversion, reading: Reading) -> str:
    """Write both files; returns what to say. Raises UsageError where that fails."""
    from calico_lint.report.files import write

    for name, text in (
        (path, v1_report.v3_yaml(conversion, (file.path for file in reading.inputs))),
        (f"{path}.names.tsv", v1_report.names_tsv(conversion)),
    ):
        try:
            write(name, text)
        except OSError as error:
            raise UsageError(f"--write-v3: {name}: {error.strerror or error}") from error
    said = f"calico-lint: wrote {path} and {path}.names.tsv"
    if conversion.problems:
        said += ", without the objects that calico-upgrade would stop at"
    return f"{said}\n"


class _Progress:
    """One line on standard error while something long goes on, if that is a terminal; else nothing."""

    __slots__ = ("_shown", "_terminal", "_when")

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = False
        self._when = time.monotonic() + 0.5  # what is over sooner needs no progress

    def update(self, what: str, done: int, total: int) -> None:
        """`done` of `total` are done (0: nobody knows of how many)."""
        if not self._terminal or (time.monotonic() < self._when and what != "convert"):
            return
        self._when = time.monotonic() + 0.1
        self._shown = True
        if what == "etcd":
            filled = 30 * done // max(1, total)
            line = f"reading etcd [{'#' * filled}{'.' * (30 - filled)}] {done}/{total} directories"
        else:
            line = "converting" if what == "convert" else f"reading files: {done}"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
