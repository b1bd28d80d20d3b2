from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calico_lint import __version__
from simulator.cli import main
from simulator.scenario import Scenario
from tests.helpers import ROOT, SHARED, needs_shared

SPECS = ROOT / "fixtures" / "specs"
MIGRATION = str(SPECS / "calico-v2-to-v3.yaml")
MODERN = str(SPECS / "calico-v3-rolling.yaml")
PLAN = ["plan", MIGRATION, "--kops-version", "1.12", "--replications", "3"]
SLOW = ("numpy", "simpy", "networkx", "rich", "yaml", "scipy")


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, **options
    )


def test_help_imports_nothing_slow() -> None:
    script = (
        "import sys\n"
        "from simulator.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print([name for name in {SLOW} if name in sys.modules])"
    )
    for arguments in (["--help"], ["plan", "--help"], ["run", "--help"], ["--version"]):
        done = python("-c", script, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "[]"


def test_json_needs_no_rich() -> None:
    script = "import sys; from simulator.cli import main; main(sys.argv[1:]); print('rich' in sys.modules)"
    done = python("-c", script, *PLAN, "--format", "json")
    assert done.stdout.splitlines()[-1] == "False"


def test_module_and_version() -> None:
    done = python("-m", "simulator", "--version")
    assert (done.returncode, done.stdout) == (0, f"calico-sim {__version__}\n")
    assert python("-m", "simulator").returncode == 2


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_an_answer_before_the_last_run(monkeypatch: pytest.MonkeyPatch) -> None:
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    spec = str(ROOT / "fixtures/specs/calico-v2-to-v3.yaml")
    assert main(["plan", spec, "--kops-version", "1.12.3", "--replications", "200"]) == 0
    assert re.search(r"no new pod starts: \d+ min.*, P90 .* so far", err.getvalue())


@pytest.mark.parametrize("missing", ["numpy", "simpy", "rich"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from simulator.cli import main; sys.exit(main(sys.argv[1:]))"
    )  # fmt: skip
    done = python("-c", script, *PLAN)
    if missing == "simpy" and done.returncode == 0:
        pytest.skip("the engine does not need it")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("calico-sim: ")
    assert "pip install 'calico-lint[sim]'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (PLAN, 0),
        (["plan", str(SPECS / "calico-v2-etcd-2.yaml"), "--kops-version", "1.12"], 1),
        ([*PLAN, "--budget", "scheduling_block=10s"], 3),
        (["plan", MIGRATION, "--kops-version", "1.16", "--replications", "3"], 4),
        (["plan", MIGRATION, "--replications", "3"], 5),
        ([*PLAN, "--budget", "scheduling_block=1h", "--risk", "1%"], 5),
        ([*PLAN, "--from", str(SPECS / "calico-v2.yaml"), "--from-kops-version", "1.10"], 0),
        (["plan", MODERN, "--kops-version", "1.30", "--replications", "3", "--nodes", "4", "--seed", "9"], 0),
        ([*PLAN, "--max-unavailable", "34%"], 0),
        ([*PLAN, "--set", "pull_node=uniform(1,2)", "--set", "kill=0"], 0),
    ],
)
@pytest.mark.parametrize("format", ["text", "json"])
def test_exit_codes(arguments: list[str], code: int, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--format", format]) == code
    out, err = capsys.readouterr()
    assert err == ""
    if format == "json":
        assert json.loads(out)["version"] == 1
    else:
        assert out.splitlines()[0].strip()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["plan", "nowhere.yaml"], "nowhere.yaml: No such file or directory"),
        (["plan", str(SPECS)], "Is a directory"),
        ([*PLAN, "--from", "nowhere.yaml"], "nowhere.yaml: No such file"),
        ([*PLAN, "--kops-version", "new"], "'new' is not a kOps version"),
        ([*PLAN, "--from-kops-version", "1"], "'1' is not a kOps version"),
        ([*PLAN, "--set", "pull_node"], "write NAME=DISTRIBUTION"),
        ([*PLAN, "--set", "pull_node=soon"], "'soon' is not a number"),
        ([*PLAN, "--set", "pull=1"], "'pull' is no parameter of a v2-to-v3 plan"),
        ([*PLAN, "--budget", "block=1m"], "is no budget: write WINDOW=10m"),
        ([*PLAN, "--budget", "total=soon"], "is no duration: write 90s, 10m or 1h30m"),
        ([*PLAN, "--risk", "high"], "'high' is no risk"),
        ([*PLAN, "--profile", "office"], "--profile office: no such file"),
        (["run", "nowhere.json"], "nowhere.json"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert err.startswith("calico-sim: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["plan"],
        ["plot", "x"],
        [*PLAN, "--nodes", "0"],
        [*PLAN, "--nodes", "many"],
        [*PLAN, "--replications", "0"],
        [*PLAN, "--seed", "-1"],
        [*PLAN, "--max-unavailable", "0"],
        [*PLAN, "--max-unavailable", "101%"],
        [*PLAN, "--format", "html"],
        [*PLAN, "--workers", "0"],
    ],
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: calico-sim" in capsys.readouterr().err


def test_broken_yaml_shows_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nspec: {a: [\n")
    assert main(["plan", str(path)]) == 2
    err = capsys.readouterr().err
    assert f"{path}:" in err
    assert "Y001" in err
    assert "no kOps Cluster can be read" in err


def test_a_profile_and_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "office.toml"
    path.write_text("[parameters]\npull_node = 3\nkill = 1\n")
    assert main([*PLAN, "--profile", str(path), "--set", "kill=2", "--format", "json"]) == 0
    profile = json.loads(capsys.readouterr().out)["profile"]
    found = {item["name"]: (item["distribution"], item["source"]) for item in profile["parameters"]}
    assert profile["name"] == "office"
    assert found["pull_node"] == ("3", "profile office.toml")
    assert found["kill"] == ("2", "--set")
    path.write_text("[parameters]\npull_node = false\n")
    assert main([*PLAN, "--profile", str(path)]) == 2
    assert "parameters.pull_node is no distribution" in capsys.readouterr().err


def test_standard_input() -> None:
    done = python(
        "-m", "simulator", "plan", "-", "--kops-version", "1.12", "--replications", "3", "--format", "json",
        input=Path(MIGRATION).read_text(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cluster"]["name"] == "prod.example.com"


def test_run_prints_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PLAN, "--format", "json"]) == 0
    path = tmp_path / "scenario.json"
    scenario = json.loads(capsys.readouterr().out)["scenario"]
    assert Scenario.from_dict(scenario).cluster.nodes == 12
    path.write_text(json.dumps(scenario))
    assert main(["run", str(path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["completed"] is True
    path.write_text('{"cluster": {"nodes": 0}}')
    assert main(["run", str(path)]) == 2
    assert "cluster.nodes: 0 is too small" in capsys.readouterr().err


def test_a_stall_is_an_answer_of_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenario.json"
    path.write_text('{"cluster": {"nodes": 1}, "faults": [{"kind": "expected_image_mismatch"}]}')
    assert main(["run", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["stall"]["reason"] == "expected_image_mismatch"


def test_ctrl_c() -> None:
    command = [sys.executable, "-m", "simulator", "plan", MIGRATION, "--kops-version", "1.12", "--nodes", "3000"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, err) == ("", "calico-sim: interrupted\n")


def test_a_reader_that_leaves() -> None:
    plan = shlex.join([sys.executable, "-m", "simulator", *PLAN, "--format", "json"])
    done = subprocess.run(f"{plan} | true", shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_a_terminal_that_knows_ascii_only() -> None:
    done = python("-m", "simulator", *PLAN, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "#" in done.stdout
    assert done.stdout.isascii()


@needs_shared
@pytest.mark.parametrize(
    "spec",
    sorted(SHARED.glob("corpus/specs/gh_ministryofjustice_cloud_platform*"))[:12],
    ids=lambda path: path.name[-16:],
)
def test_real_specs(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--kops-version", "1.12"], ["--nodes", "3"]):
        code = main(["plan", str(spec), "--replications", "2", *arguments])
        out, err = capsys.readouterr()
        assert code in (0, 1, 2, 4, 5)
        assert (code == 2) == (out == "") == (err != "")


@needs_shared
@pytest.mark.parametrize("spec", sorted(SHARED.glob("corpus/broken/*"))[::4], ids=lambda p: p.name[-16:])
def test_broken_specs(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(spec), "--replications", "1", "--nodes", "3"]) in (0, 1, 2, 5)
    assert "Traceback" not in capsys.readouterr().err
