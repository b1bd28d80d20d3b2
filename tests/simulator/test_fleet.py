"""Many clusters: what is planned, what is kept, and what happens when workers die."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from calico_lint.kops.releases import parse_release
from calico_lint.yaml_source import Source
from simulator import fleet
from simulator.cli import main
from simulator.fleet import FAILED, PLANNED, FleetError, Output, Task, find, flat, plan_one, render, run
from simulator.planning import Options, make_plan
from tests.helpers import ROOT

SPECS = ROOT / "fixtures" / "specs"
NAMES = ("calico-v2-to-v3.yaml", "calico-v3-rolling.yaml", "calico-v2.yaml", "calico-v2-etcd-2.yaml")
OPTIONS = Options(replications=70, seed=5)

Json = dict[str, Any]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a fleet: four clusters, one of them in a subdirectory, and what is no cluster."""
    where = tmp_path / "specs"
    (where / "deep").mkdir(parents=True)
    (where / ".git").mkdir()
    for number, name in enumerate(NAMES):
        (where / ("deep" if number == 1 else "") / name).write_bytes((SPECS / name).read_bytes())
    (where / "notes.txt").write_text("no spec\n")
    (where / ".git" / "hidden.yaml").write_text("a: 1\n")
    return where


def tasks(place: Path, options: Options = OPTIONS) -> list[Task]:
    return [Task(str(path), path.read_bytes(), options) for path in find(str(place))]


def by_path(lines: list[Json]) -> dict[str, Json]:
    return {line["path"]: line for line in lines}


def threads() -> Executor:
    return ThreadPoolExecutor(2)


# --- what is planned ----------------------------------------------------------------------------------------


def test_specs_are_found(place: Path) -> None:
    names = [path.relative_to(place).as_posix() for path in find(str(place))]
    assert names == ["calico-v2-etcd-2.yaml", "calico-v2-to-v3.yaml", "calico-v2.yaml", "deep/calico-v3-rolling.yaml"]
    assert [path.name for path in find(f"{place}/**/*-rolling.yaml")] == ["calico-v3-rolling.yaml"]
    assert len(find(str(place / "calico-v2.yaml"))) == 1
    with pytest.raises(FleetError, match="no spec there"):
        find(str(place / "none"))


def test_a_fleet_has_the_plans_that_single_runs_have(place: Path) -> None:
    lines = by_path(list(run(tasks(place), threads)))
    assert len(lines) == 4
    for task in tasks(place):
        line = lines[task.path]
        assert (line["version"], line["status"], line["error"]) == (1, PLANNED, None)
        alone = make_plan(Source(task.path, task.data), options=OPTIONS).to_dict()
        assert line["plan"] == alone
        assert json.loads(render(line)) == line
        assert "\n" not in render(line)[:-1]


def test_releases_are_those_that_are_given() -> None:
    task = Task("x.yaml", (SPECS / NAMES[0]).read_bytes(), OPTIONS, kops="1.12.3", old_kops="1.8.0")
    assert plan_one(task)["plan"]["verdict"] == "blocked"
    alone = make_plan(
        Source(task.path, task.data), None, parse_release("1.12.3"), parse_release("1.8.0"), OPTIONS
    ).to_dict()
    assert plan_one(task)["plan"] == alone


def test_a_spec_without_a_plan_is_a_line_that_says_why() -> None:
    line = plan_one(Task("x.yaml", b"a: 1\n", OPTIONS))
    assert (line["status"], line["plan"]) == (FAILED, None)
    assert "no kOps Cluster can be read" in line["error"]


def test_the_key_is_what_the_plan_depends_on() -> None:
    task = Task("x.yaml", b"a: 1\n", OPTIONS)
    assert task.key == Task("moved.yaml", b"a: 1\n", Options(replications=70, seed=5, workers=7)).key
    others = [
        Task("x.yaml", b"a: 2\n", OPTIONS),
        Task("x.yaml", b"a: 1\n", Options(replications=70, seed=6)),
        Task("x.yaml", b"a: 1\n", OPTIONS, kops="1.12"),
        Task("x.yaml", b"a: 1\n", OPTIONS, old_kops="1.12"),
    ]
    assert len({task.key, *(other.key for other in others)}) == 5


# --- what is kept -------------------------------------------------------------------------------------------


def test_a_fleet_is_resumed(place: Path, tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out.jsonl"))
    todo = tasks(place)
    assert output.resume(todo) == []
    lines = list(run(todo, threads))
    for line in lines[:3]:
        output.add(line)
    # Killed while it wrote the fourth.
    with output.path.open("a") as file:
        file.write(render(lines[3])[:90])
    kept = output.resume(todo)
    assert by_path(kept) == by_path(lines[:3])
    # One spec has changed, one file is gone, and one failed: all of these are made again, or forgotten.
    changed = [Task(todo[0].path, todo[0].data + b"\n", OPTIONS), *todo[1:3]]
    output.add({**lines[3], "path": todo[1].path, "status": FAILED})
    again = output.resume(changed)
    assert set(by_path(again)) <= {task.path for task in todo[1:3]}
    assert output.path.read_text() == "".join(map(render, again))


@pytest.mark.parametrize("content", ["hello\n", '{"a": 1}\n', "[]\n", '{"path": 1}\n{"path":'])
def test_another_file_is_not_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text(content)
    with pytest.raises(FleetError, match="no result of a fleet"):
        Output(str(path)).resume([])
    assert path.read_text() == content


def test_a_row_of_the_table(tmp_path: Path) -> None:
    planned = flat(plan_one(Task("x.yaml", (SPECS / NAMES[1]).read_bytes(), OPTIONS)))
    failed = flat(plan_one(Task("y.yaml", b"a: 1\n", OPTIONS)))
    assert planned.keys() == failed.keys()
    assert planned["total_p50_low"] <= planned["total_p50"] <= planned["total_p50_high"]
    assert (failed["verdict"], failed["total_p50"]) == (None, None)


def test_parquet(place: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "out.parquet"
    assert main(["fleet", str(place / "deep"), "--output", str(path), "--replications", "8", "--workers", "1"]) == 0
    rows = parquet.read_table(path).to_pylist()
    assert rows == [flat(json.loads(line)) for line in (tmp_path / "out.parquet.jsonl").read_text().splitlines()]


def test_without_pyarrow_there_is_no_parquet(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "out.parquet"
    assert main(["fleet", str(place / "deep"), "--output", str(path)]) == 2
    assert "pip install 'calico-lint[parquet]'" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


# --- workers that die ---------------------------------------------------------------------------------------


class Dying(ProcessPoolExecutor):
    """A pool whose processes are killed as soon as there is something to do, as by a kernel without memory."""

    def submit(self, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = super().submit(*arguments, **keywords)
        for process in list(self._processes.values()):  # type: ignore[attr-defined]
            process.kill()
        return future


def test_plans_of_a_killed_process_are_made_again(place: Path) -> None:
    started: list[Executor] = []

    def start() -> Executor:
        started.append(Dying(1) if not started else ProcessPoolExecutor(1))
        return started[-1]

    todo = tasks(place)[:2]
    assert by_path(list(run(todo, start, at_once=1))) == {task.path: plan_one(task) for task in todo}
    assert len(started) == 2


def test_who_kills_every_worker_gets_no_plan(place: Path) -> None:
    todo = tasks(place)[:1]
    (line,) = run(todo, lambda: Dying(1), at_once=1, retries=1)
    assert (line["status"], line["plan"]) == (FAILED, None)
    assert "no plan after 2 tries, the last: its worker died" in line["error"]


def test_other_errors_are_retried_and_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def flaky(task: Task) -> Json:
        tries.append(task.path)
        if len(tries) < 3:
            raise OSError("no space\nleft")
        return plan_one(task)

    monkeypatch.setattr(fleet, "plan_one", flaky)
    todo = tasks(place)[:1]
    (line,) = run(todo, threads, retries=2)
    assert (line["status"], len(tries)) == (PLANNED, 3)
    tries.clear()
    (line,) = run(todo, threads, retries=1)
    assert line["error"].endswith("no plan after 2 tries, the last: OSError: no space left")


# --- the command --------------------------------------------------------------------------------------------


def test_the_command(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")  # paths of temporary directories are long
    path = tmp_path / "out.jsonl"
    command = ["fleet", str(place), "--replications", "70", "--seed", "5", "--workers", "1", "--output", str(path)]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "4 of 4 clusters planned" in err
    rows = [line.split()[0] for line in out.splitlines()]
    assert rows == ["Verdict", "BLOCKED", "UNDECIDED", "UNDECIDED", "GO"]
    lines = by_path([json.loads(line) for line in path.read_text().splitlines()])
    assert lines == {task.path: plan_one(task) for task in tasks(place)}
    # Again: nothing is left to do, so no process is started.
    (place / "none.yaml").write_text("a: 1\n")
    before = path.read_text()
    assert main([*command, "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert "4 of 5 clusters planned, 4 of them from" in err
    assert out == ""
    assert path.read_text().startswith(before)
    assert json.loads(path.read_text().splitlines()[-1])["status"] == FAILED


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere"], "no spec there"),
        ([str(SPECS), "--budget", "total"], "is no budget"),
        ([str(SPECS), "--kops-version", "new"], "new"),
        ([str(SPECS), "--set", "kill"], "write NAME=DISTRIBUTION"),
    ],
)
def test_usage(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert "Traceback" not in err


def test_no_scheduler(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["fleet", str(SPECS), "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "pip install 'calico-lint[cluster]'" in capsys.readouterr().err


# --- Dask ---------------------------------------------------------------------------------------------------

quiet_dask = pytest.mark.filterwarnings(
    "default"
)  # Dask's own warnings, about closed loops and busy ports, are not ours


@pytest.mark.dask
@quiet_dask
def test_a_dask_cluster_of_which_a_worker_is_killed(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    options = Options(replications=600, seed=5)
    todo = tasks(place, options)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        killed = False
        lines = []
        with fleet.dask(cluster.scheduler_address) as start:
            for line in run(todo, start):
                lines.append(line)
                if not killed:
                    killed = True
                    os.kill(cluster.workers[0].pid, signal.SIGKILL)
        # The command, against the cluster that is one worker short or has it back.
        path = tmp_path / "out.jsonl"
        command = ["fleet", str(place), "--replications", "600", "--seed", "5", "--output", str(path)]
        assert main([*command, "--scheduler", cluster.scheduler_address]) == 0
    expected = {task.path: plan_one(task) for task in todo}
    assert by_path(lines) == expected
    assert by_path([json.loads(line) for line in path.read_text().splitlines()]) == expected


@pytest.mark.dask
@quiet_dask
def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    assert main(["fleet", str(SPECS), "--scheduler", "nonsense://x"]) == 2
    assert "no Dask scheduler answers there" in capsys.readouterr().err


def test_at_most_so_many_are_under_way(place: Path) -> None:
    """Only what is under way can be to blame when a pool breaks."""

    class Counting(ThreadPoolExecutor):
        most = now = 0

        def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
            Counting.now += 1
            Counting.most = max(Counting.most, Counting.now)
            future: Future[Any] = super().submit(function, *arguments, **keywords)
            future.add_done_callback(lambda _: setattr(Counting, "now", Counting.now - 1))
            return future

    assert len(list(run(tasks(place), lambda: Counting(4), at_once=2))) == 4
    assert Counting.most <= 2
