"""Who asks of Calico, and runs another network, is told what applies to him."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calico_lint import cli as lint
from calico_lint import rules
from calico_lint.cluster import CNI_KEYS
from calico_lint.kops.other_networks import what_applies
from simulator import cli as sim
from tests.helpers import spec_text

OTHERS = sorted(set(CNI_KEYS) - {"calico"})


def spec(folder: Path, cni: str, name: str = "spec.yaml") -> str:
    path = folder / name
    path.write_text(spec_text({"networking": {cni: {}}}, "1.12"))
    return str(path)


@pytest.mark.parametrize("cni", OTHERS)
def test_every_network_has_an_answer(cni: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = spec(tmp_path, cni)
    told = what_applies(cni)
    assert told
    assert not told.endswith(".")
    assert sim.main(["plan", path, "--kops-version", "1.12"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"the spec runs {cni}, not Calico: there is no Calico upgrade to simulate; {told}" in err
    assert sim.main(["route", path, "--to", "v3", "--kops-version", "1.12"]) == 1
    assert told in capsys.readouterr().err
    lint.main([path, "--kops-version", "1.12", "--no-cache"])
    assert f"calico-lint: example.net runs {cni}: {told}\n" in capsys.readouterr().err


def test_the_rules_that_are_named_exist() -> None:
    known = {rule.id for rule in rules.all_rules()}
    named = {id for cni in OTHERS for id in re.findall(r"\b[A-Z]{1,2}\d{3}\b", what_applies(cni))}
    assert named
    assert named <= known


def test_no_networking_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(spec_text({"networking": {}}, "1.12"))
    assert sim.main(["plan", str(path), "--kops-version", "1.12"]) == 2
    assert "names no networking option, not Calico" in (err := capsys.readouterr().err)
    assert "write the option that the cluster runs" in err


@pytest.mark.parametrize("arguments", [["--quiet"], ["--format", "json"], ["--format", "sarif"]])
def test_machines_and_the_quiet_are_not_told(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lint.main([spec(tmp_path, "flannel"), "--kops-version", "1.12", "--no-cache", *arguments])
    assert capsys.readouterr().err == ""


def test_many_clusters_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        spec(tmp_path, "cilium", f"{number}.yaml")
    spec(tmp_path, "calico", "9.yaml")
    lint.main([str(tmp_path), "--kops-version", "1.12", "--no-cache"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("calico-lint: example.net, example.net, example.net and 2 more run cilium: ")
