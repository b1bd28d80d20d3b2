"""Many clusters: one plan each, on the processors of this machine or on a Dask cluster, with the same numbers.

A task carries everything that its plan needs, the file's content included, so a worker needs this package and nothing
else. A result is one JSON object; it is kept as soon as it is there, and a run that is started again on the same output
makes only the plans that are missing or whose spec, options or version have changed.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from calico_lint import __version__
from simulator.planning import Options, PlanError, make_plan

Json = dict[str, Any]

PLANNED, FAILED = "planned", "failed"
SUFFIXES = (".yaml", ".yml", ".json")
RETRIES = 2
"""How often a plan is tried again whose worker died, or that failed for a reason that is not the spec's."""


class FleetError(Exception):
    """A fleet that cannot be planned: nothing there, or an output that is none. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Task:
    """One cluster's spec. `kops` and `old_kops` are releases as the user wrote them; None: inferred."""

    path: str
    data: bytes
    options: Options
    kops: str | None = None
    old_kops: str | None = None

    @property
    def key(self) -> str:
        """What the plan depends on, as a hash: the same key, the same plan."""
        # How many threads do the work changes no number.
        what = (__version__, replace(self.options, workers=None), self.kops, self.old_kops)
        return sha256(repr(what).encode() + b"\0" + self.data).hexdigest()


def find(place: str) -> list[Path]:
    """The specs of a directory (searched with its subdirectories), of a pattern such as `specs/*.yaml`, or one file.

    Raises FleetError where there is none.
    """
    root = Path(place)
    if root.is_dir():
        found = [path for path in root.rglob("*") if path.suffix in SUFFIXES and path.is_file()]
        found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    elif root.is_file():
        found = [root]
    else:
        from glob import glob

        found = [path for path in map(Path, glob(place, recursive=True)) if path.is_file()]
    if not found:
        raise FleetError(f"{place}: no spec there; give a directory, a file or a pattern such as 'specs/**/*.yaml'")
    return sorted(found)


def plan_one(task: Task) -> Json:
    """The plan of one cluster as a line of the output, in whatever process this is."""
    from calico_lint.kops.releases import parse_release
    from calico_lint.yaml_source import Source

    releases = None if task.kops is None else parse_release(task.kops)
    old_releases = None if task.old_kops is None else parse_release(task.old_kops)
    options = replace(task.options, workers=1)  # the fleet has a process for each processor
    line: Json = {"version": 1, "path": task.path, "key": task.key, "status": PLANNED, "error": None, "plan": None}
    try:
        plan = make_plan(Source(task.path, task.data), None, releases, old_releases, options)
    except PlanError as error:
        return line | {"status": FAILED, "error": str(error)}
    return line | {"plan": plan.to_dict()}


# --- running ----------------------------------------------------------------------------------------------


def run(
    tasks: Iterable[Task], start: Callable[[], Executor], at_once: int | None = None, retries: int = RETRIES
) -> Iterator[Json]:
    """The lines of all tasks, as they are done.

    `start` gives the executor, and another one when that is broken, as a process pool is of which a worker was killed.
    At most `at_once` tasks are under way (None: any number): when a pool breaks, only these may be to blame. A task
    that fails more than `retries` times for a reason that is not its spec's becomes a line that says so.
    """
    waiting = deque(tasks)
    failures: dict[str, int] = {}
    executor = start()
    running: dict[Future[Json], Task] = {}
    try:
        while waiting or running:
            broken = False
            while waiting and (at_once is None or len(running) < at_once):
                try:
                    running[executor.submit(plan_one, waiting[0])] = waiting[0]
                except BrokenProcessPool:
                    broken = True
                    break
                waiting.popleft()
            done = wait(running, return_when=FIRST_COMPLETED).done if running else set()
            for future in done:
                task = running.pop(future)
                try:
                    yield future.result()
                    continue
                except Exception as error:  # of any kind: it came from another process
                    broken |= isinstance(error, BrokenProcessPool)
                    failed = error
                failures[task.path] = failures.get(task.path, 0) + 1
                if failures[task.path] <= retries:
                    waiting.append(task)
                else:
                    yield _given_up(task, failed, failures[task.path])
            if broken and not running:
                executor.shutdown(wait=False)
                executor = start()
    finally:
        for future in running:
            future.cancel()
        executor.shutdown(wait=False)


def _given_up(task: Task, error: Exception, tries: int) -> Json:
    why = "its worker died" if isinstance(error, BrokenProcessPool) else f"{type(error).__name__}: {error}"
    message = " ".join(f"{task.path}: no plan after {tries} tries, the last: {why}".split())
    return {"version": 1, "path": task.path, "key": task.key, "status": FAILED, "error": message, "plan": None}


def processes(workers: int | None) -> tuple[Callable[[], Executor], int]:
    """(start, at_once) for this machine: a process for each processor, or `workers`."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    count = workers or os.cpu_count() or 1
    # A forked process would inherit threads' locks.
    context = multiprocessing.get_context("spawn")
    return lambda: ProcessPoolExecutor(count, context, initializer=_ignore_interrupts), count


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal; only the one that keeps the results answers it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def dask(address: str) -> Iterator[Callable[[], Executor]]:
    """Start for a Dask cluster whose scheduler listens at `address`; it runs the tasks of a dead worker again itself.

    Raises FleetError if no scheduler answers, ModuleNotFoundError without the extra `cluster`.
    """
    import distributed

    connect: Any = distributed.Client  # it has no types
    try:
        client = connect(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise FleetError(f"--scheduler {address}: no Dask scheduler answers there ({_first_line(error)})") from None
    try:
        yield lambda: client.get_executor(pure=False)
    finally:
        client.close()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


# --- results ----------------------------------------------------------------------------------------------


class Output:
    """The lines of a fleet in a file, one JSON object each, written as they come and read when it is started again.

    A name that ends with `.parquet` gets a table besides, when the fleet is done; the lines are in `NAME.jsonl` then.
    """

    def __init__(self, path: str) -> None:
        self.table = Path(path) if path.endswith(".parquet") else None
        if self.table is not None:
            try:
                import pyarrow  # noqa: F401
            except ModuleNotFoundError:
                raise FleetError(
                    f"{path}: Parquet needs pyarrow: pip install 'calico-lint[parquet]', or use FILE.jsonl"
                ) from None
        self.path = Path(f"{path}.jsonl") if self.table is not None else Path(path)

    def resume(self, tasks: Sequence[Task]) -> list[Json]:
        """The lines that are there already for these tasks, with the same key; the file holds them alone from now on.

        Plans that failed are made again. Raises FleetError if the file holds something else.
        """
        if not self.path.exists():
            self.path.touch()
            return []
        wanted = {task.path: task.key for task in tasks}
        kept: dict[str, Json] = {}
        lines = self.path.read_bytes().splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
                path, key, status = entry["path"], entry["key"], entry["status"]
            except (ValueError, KeyError, TypeError):
                if number == len(lines) and not line.endswith(b"\n"):
                    continue  # it was being written when the last run was killed
                raise FleetError(f"{self.path}:{number}: this is no result of a fleet; use another --output") from None
            if status == PLANNED and wanted.get(path) == key:
                kept[path] = entry
        from simulator.report.files import write_whole

        write_whole(str(self.path), "".join(map(render, kept.values())))
        return list(kept.values())

    def add(self, line: Json) -> None:
        """Keep a result, for good."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(render(line))

    def finish(self, lines: Iterable[Json]) -> None:
        """Write the table, if one is wanted."""
        if self.table is None:
            return
        import pyarrow
        from pyarrow import parquet

        rows = [flat(line) for line in sorted(lines, key=lambda line: str(line["path"]))]
        parquet.write_table(pyarrow.Table.from_pylist(rows), self.table)


def render(line: Json) -> str:
    """A result as one line."""
    return json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


_COLUMNS = ("p50", "p90", "p99", "mean", "min", "max", "unfinished")


def flat(line: Mapping[str, Any]) -> Json:
    """A result as a row of numbers: verdict, cluster, and of each window its quantiles with their intervals."""
    plan = line["plan"] or {}
    row: Json = {name: line[name] for name in ("path", "status", "error")}
    row |= {"verdict": plan.get("verdict"), "reason": plan.get("reason"), "seed": plan.get("seed")}
    row["replications"] = plan.get("replications")
    cluster = plan.get("cluster", {})
    row |= {name: cluster.get(name) for name in ("name", "nodes", "kubernetes", "kops", "calico_from", "calico_to")}
    from simulator.observations import WINDOWS

    for window in WINDOWS:
        values = plan.get("windows", {}).get(window) or {}
        row |= {f"{window}_{name}": values.get(name) for name in _COLUMNS}
        for name in ("p50", "p90", "p99"):
            ends = values.get("ci", {}).get(name) or (None, None)
            row |= {f"{window}_{name}_low": ends[0], f"{window}_{name}_high": ends[1]}
    return row
