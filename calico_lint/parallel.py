"""Many files in several processes: the same result as in one, in the same order.

Each process takes a stretch of the files. Before the rules run they tell each other which clusters and which groups
without a cluster they have, because a file of InstanceGroups joins the file of its Cluster, wherever that is read.
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress

from calico_lint.linter import FileReport, Input, LintResult, Unit, joins, lint, offers
from calico_lint.yaml_source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, BinaryIO

    from calico_lint.files import File
    from calico_lint.kops.releases import Releases


def processes(jobs: int, files: int) -> int:
    """How many processes to use: what was asked for, else two where there are two processors."""
    if not hasattr(os, "fork"):
        return 1
    if jobs:
        return max(1, min(jobs, files))
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, available)


def lint_files(
    files: Sequence[File], releases: Sequence[Releases | None], given: Releases | None, max_bytes: int, count: int
) -> tuple[list[Input], LintResult] | None:
    """Lint files in `count` processes; `releases` are those of the single files, `given` the one for all others.

    Of files that another process read, the sources hold the text only. None if a process failed: the caller then
    does the work itself, and meets what is wrong.
    """
    bounds = _bounds(files, count)
    job = _Job(files, releases, given, max_bytes)
    workers = []
    try:
        for first, last in bounds[1:]:
            workers.append(_Worker(job, first, last))
        first, last = bounds[0]
        inputs = job.inputs(first, last)

        def exchange(units: list[Unit]) -> None:
            offered = [*offers(units)]
            for worker in workers:
                offered += worker.receive()
            found = joins(offered)
            for worker in workers:
                worker.send(found)
            job.join(units, found)

        result = lint(inputs, releases=given, join=exchange)
        for worker, (first, last) in zip(workers, bounds[1:], strict=True):
            _merge(result, worker.receive())
            # Comments that suppress are found beside what was parsed.
            inputs += job.inputs(first, last, parse=False)
    except (EOFError, OSError, pickle.PickleError):
        return None
    finally:
        for worker in workers:
            worker.close()
    result.findings.sort(key=lambda finding: finding.sort_key())
    return inputs, result


class _Job:
    """What all processes know."""

    __slots__ = ("files", "given", "max_bytes", "releases")

    def __init__(
        self, files: Sequence[File], releases: Sequence[Releases | None], given: Releases | None, max_bytes: int
    ) -> None:
        self.files = files
        self.releases = releases
        self.given = given
        self.max_bytes = max_bytes

    def inputs(self, first: int, last: int, *, parse: bool = True) -> list[Input]:
        """The inputs of a stretch of the files."""
        return [self._input(number, parse=parse) for number in range(first, last)]

    def _input(self, number: int, *, parse: bool = True) -> Input:
        file = self.files[number]
        source = Source(file.path, file.data, self.max_bytes, parse=parse or b"calico-lint:" in file.data)
        return Input(source, named=file.named, releases=self.releases[number])

    def join(self, units: Sequence[Unit], found: Iterable[tuple[int, int, str]]) -> None:
        """Move groups: out of and into these units. A file of groups that is not among them is read here, too."""
        own = {unit.number: unit for unit in units}
        read: dict[int, Unit] = {}
        for home, number, label in found:
            if number in own:
                groups = own[number].take_groups(label)
            elif home in own:
                if number not in read:
                    read[number] = Unit(self._input(number).source, FileReport(""), None, number)
                    read[number].gather()
                groups = read[number].take_groups(label)
            if home in own:
                own[home].groups += groups


class _Worker:
    """Another process on a stretch of the files."""

    __slots__ = ("_pid", "_read", "_write")

    def __init__(self, job: _Job, first: int, last: int) -> None:
        up, down = os.pipe(), os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            # Whatever happens here, the other process hears nothing, and does the work itself.
            with suppress(BaseException):
                with open(up[1], "wb") as write, open(down[0], "rb") as read:
                    os.close(up[0])
                    os.close(down[1])
                    _work(job, first, last, read, write)
                code = 0
            os._exit(code)
        os.close(up[1])
        os.close(down[0])
        self._read = open(up[0], "rb")  # noqa: SIM115 - closed in close()
        self._write = open(down[1], "wb")  # noqa: SIM115

    def receive(self) -> Any:
        """The next thing that the process says. Raises EOFError if it is gone."""
        return pickle.load(self._read)

    def send(self, value: Any) -> None:
        """Tell the process something."""
        _send(self._write, value)

    def close(self) -> None:
        """Take leave of the process; it ends on its own, at the latest when nobody listens any more."""
        for stream in (self._read, self._write):
            with suppress(OSError):
                stream.close()
        os.waitpid(self._pid, 0)


def _work(job: _Job, first: int, last: int, read: BinaryIO, write: BinaryIO) -> None:
    def exchange(units: list[Unit]) -> None:
        for unit in units:
            unit.number += first
        _send(write, [*offers(units)])
        job.join(units, pickle.load(read))

    result = lint(job.inputs(first, last), releases=job.given, join=exchange)
    _send(write, (result.findings, result.files))


def _send(stream: BinaryIO, value: Any) -> None:
    pickle.dump(value, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def _bounds(files: Sequence[File], count: int) -> list[tuple[int, int]]:
    """Stretches of about the same number of bytes, none of them empty."""
    total = sum(len(file.data) for file in files)
    bounds: list[tuple[int, int]] = []
    first = passed = 0
    for number, file in enumerate(files, 1):
        passed += len(file.data)
        rest = count - len(bounds)
        if rest > 1 and (passed * count >= total * (len(bounds) + 1) or len(files) - number < rest):
            bounds.append((first, number))
            first = number
    return [*bounds, (first, len(files))]


def _merge(result: LintResult, part: tuple[list[Any], list[Any]]) -> None:
    findings, files = part
    # That a release is unknown is said once in a run.
    said = {finding.message for finding in result.findings if finding.rule == "KV300"}
    result.findings += [finding for finding in findings if not (finding.rule == "KV300" and finding.message in said)]
    result.files += files
