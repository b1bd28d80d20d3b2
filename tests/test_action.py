"""The GitHub action: its steps are run as a runner runs them, in an environment of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
import yaml

from tests.helpers import ROOT, spec_text

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
BAD = spec_text("kubernetesVersion: latest", "1.30")

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")


class Runner:
    """What a runner does with a composite action: expressions, environment files, `bash -eo pipefail`."""

    def __init__(self, temp: Path, work: Path, action: Path) -> None:
        self.temp = temp
        self.work = work
        self.action = action

    def run(self, step: dict[str, Any], **inputs: str) -> tuple[int, str, dict[str, str]]:
        """Exit code, standard output, and the outputs of a step."""
        assert set(inputs) <= set(ACTION["inputs"])
        values = {name: declared["default"] for name, declared in ACTION["inputs"].items()} | inputs
        context = {f"inputs.{name}": value for name, value in values.items()}
        context["github.action_path"] = str(self.action)

        def evaluate(text: str) -> str:
            return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: context[match[1]], text)

        output = self.temp / "output"
        output.write_text("")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.temp),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(output),
            **{name: evaluate(value) for name, value in step["env"].items()},
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP"))},
        }
        assert "${{" not in step["run"]  # an input must not become a piece of the script
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        result = subprocess.run(command, cwd=self.work, env=environment, capture_output=True, text=True, check=False)
        outputs = dict(line.partition("=")[::2] for line in output.read_text().splitlines())
        return result.returncode, result.stdout + result.stderr, outputs


INSTALL, LINT = ACTION["runs"]["steps"]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner on which calico-lint is installed: the one that is being tested."""
    work, bin = tmp_path / "work", tmp_path / "temp" / "calico-lint" / "bin"
    work.mkdir()
    bin.mkdir(parents=True)
    (bin / "calico-lint").write_text(
        f'#!/bin/sh\nPYTHONPATH={quote(str(ROOT))} exec {quote(sys.executable)} -m calico_lint "$@"\n'
    )
    (bin / "calico-lint").chmod(0o755)
    (work / "bad spec.yaml").write_text(BAD)
    (work / "good.yaml").write_text(spec_text(None, "1.30"))
    return Runner(tmp_path / "temp", work, ROOT)


KV301 = {"kops-version": "1.30.4", "args": "--select\nKV301"}


def test_findings_are_annotations_and_fail_the_step(runner: Runner) -> None:
    code, out, outputs = runner.run(LINT, **KV301)
    assert code == 1
    assert out.startswith("::error file=bad spec.yaml,line=")
    assert outputs == {"exit-code": "1"}


def test_a_clean_run(runner: Runner) -> None:
    code, out, outputs = runner.run(LINT, paths="good.yaml\n", **KV301)
    assert (code, out, outputs) == (0, "", {"exit-code": "0"})


def test_options_one_a_line_and_sarif(runner: Runner) -> None:
    more = {"kops-version": "1.30.4", "args": "--exit-zero\n--select=KV301\n"}
    code, _, outputs = runner.run(LINT, **more, **{"paths": "bad spec.yaml\ngood.yaml", "sarif-file": "out.sarif"})
    assert (code, outputs) == (0, {"exit-code": "0", "sarif-file": "out.sarif"})
    log = json.loads((runner.work / "out.sarif").read_text())
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["KV301"]


def test_the_upgrade_rules(runner: Runner) -> None:
    more = {"from": "good.yaml", "kops-version": "1.30.4", "paths": "good.yaml"}
    assert runner.run(LINT, **more)[0] == 0
    code, out, outputs = runner.run(LINT, **{**more, "from": "missing.yaml"})
    assert (code, outputs) == (2, {"exit-code": "2"})
    assert "missing.yaml: No such file" in out


@pytest.mark.parametrize("text", ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "--version", "-"])
def test_an_input_is_a_path_and_nothing_else(runner: Runner, text: str) -> None:
    code, out, _ = runner.run(LINT, paths=f"./{text}" if text == "-" else text)
    assert code == 2
    assert "No such file" in out
    assert not (runner.work / "pwned").exists()


def test_nothing_to_check_is_no_success(runner: Runner) -> None:
    (runner.work / "empty").mkdir()
    assert runner.run(LINT, paths="empty")[0] == 3


def test_what_the_action_declares() -> None:
    assert ACTION["runs"]["using"] == "composite"
    used = set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    for output in ACTION["outputs"].values():
        (name,) = re.fullmatch(r"\$\{\{ steps\.lint\.outputs\.([\w-]+) \}\}", output["value"]).groups()  # type: ignore[union-attr]
        assert f'echo "{name}=' in LINT["run"]
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
