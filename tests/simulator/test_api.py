from __future__ import annotations

import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calico_lint
import simulator
from calico_lint.yaml_source import Source
from simulator.cli import main
from simulator.planning import Options
from simulator.recover import NoAnswerError
from simulator.scenario import ScenarioError
from tests.helpers import ROOT

SPECS = ROOT / "fixtures" / "specs"
MIGRATION = SPECS / "calico-v2-to-v3.yaml"
FEW: dict[str, Any] = {"kops_version": "1.12", "replications": 8}


# --- findings -------------------------------------------------------------------------------------------


def command_findings(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[tuple[Any, ...]]:
    from calico_lint.cli import main as lint

    lint([*arguments, "--format", "json", "--isolated", "--no-cache"])
    found = json.loads(capsys.readouterr().out)["findings"]
    return [(item["path"], item["rule"], item["line"], item["column"], item["severity"]) for item in found]


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, []),
        ({"kops_version": "1.12"}, ["--kops-version", "1.12"]),
        ({"select": ["KC", "U001"]}, ["--select", "KC,U001"]),
        ({"ignore": ["U"]}, ["--ignore", "U"]),
        (
            {"old": SPECS / "upgrade-old.yaml", "from_kops_version": "1.10"},
            ["--from", "fixtures/specs/upgrade-old.yaml", "--from-kops-version", "1.10"],
        ),
    ],
)
def test_findings_are_those_of_the_command(
    options: dict[str, Any],
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    for paths in (["fixtures/specs"], ["fixtures/specs/mistakes.yaml", "fixtures/specs/upgrade-new.yaml"]):
        found = calico_lint.lint(*paths, **options)
        assert found
        assert [
            (each.path, each.rule, each.range.line, each.range.column, each.severity) for each in found
        ] == command_findings([*paths, *arguments], capsys)


def test_text_and_comments() -> None:
    text = (SPECS / "mistakes.yaml").read_text()
    rules = [finding.rule for finding in calico_lint.lint(text=text, kops_version="1.12")]
    assert rules == [finding.rule for finding in calico_lint.lint(text=text.encode(), kops_version="1.12")]
    assert "KC102" in rules
    silent = calico_lint.lint(text=f"# calico-lint: ignore-file[KC102]\n{text}", kops_version="1.12")
    assert [finding.rule for finding in silent] == [rule for rule in rules if rule != "KC102"]


@pytest.mark.parametrize(
    ("paths", "options", "error", "message"),
    [
        ([], {}, ValueError, "give paths, or the spec itself"),
        (["a"], {"text": "b"}, ValueError, "give paths, or the spec itself"),
        (["nowhere.yaml"], {}, OSError, "nowhere.yaml: No such file"),
        ([str(MIGRATION)], {"old": "nowhere.yaml"}, OSError, "nowhere.yaml: No such file"),
        ([str(MIGRATION)], {"kops_version": "new"}, ValueError, "'new' is not a kOps version"),
        ([str(MIGRATION)], {"select": ["QQ"]}, ValueError, "no rule has the id or prefix 'QQ'"),
        ([str(ROOT / "fixtures" / "recordings")], {}, ValueError, "nothing was checked: no kOps spec was found in"),
    ],
)
def test_what_lint_refuses(paths: list[str], options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        calico_lint.lint(*paths, **options)


# --- plans ----------------------------------------------------------------------------------------------


def test_a_plan_is_that_of_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    profile = tmp_path / "profile.toml"
    profile.write_text('name = "mine"\n[parameters]\nkill = 2\n')
    made = simulator.plan(
        MIGRATION,
        old=SPECS / "calico-v2.yaml",
        from_kops_version="1.10",
        nodes=9,
        max_unavailable="30%",
        seed=3,
        timing_profile=profile,
        settings={"pull_node": "lognormal(8,0.5)", "sandbox": 1},
        budgets={"scheduling_block": "10m", "total": 7200},
        risk=0.25,
        pod_rate=4,
        **FEW,
    )
    arguments = [
        *("plan", str(MIGRATION), "--from", str(SPECS / "calico-v2.yaml"), "--from-kops-version", "1.10"),
        *("--nodes", "9", "--max-unavailable", "30%", "--seed", "3", "--profile", str(profile), "--pod-rate", "4"),
        *("--set", "pull_node=lognormal(8,0.5)", "--set", "sandbox=1", "--risk", "25%", "--kops-version", "1.12"),
        *("--budget", "scheduling_block=10m", "--budget", "total=2h", "--replications", "8", "--format", "json"),
    ]
    assert main(arguments) == made.exit_code
    written = json.loads(capsys.readouterr().out)
    data = json.loads(json.dumps(made.to_dict()))
    for parameter in (*written["profile"]["parameters"], *data["profile"]["parameters"]):
        if parameter["source"] in ("--set", "settings"):  # each names what the user has written
            parameter["source"] = ""
    assert data == written


def test_all_that_can_be_asked_of_the_command_can_be_asked_here() -> None:
    arguments = {
        "budgets", "maintenance_windows", "max_unavailable", "node_rate", "nodes", "not_ready", "pod_rate", "precision",
        "replications", "risk", "seed", "sensitivity", "settings", "sweeps", "timing_profile", "v1_data", "workers",
    }  # fmt: skip
    named_otherwise = {"profile_name": "timing_profile", "maintenance": "maintenance_windows"}
    assert {named_otherwise.get(item.name, item.name) for item in fields(Options)} == arguments
    assert arguments <= set(inspect.signature(simulator.plan).parameters)
    made = simulator.plan(
        MIGRATION,
        maintenance_windows=["2026-12-05T02:00/04:00 Europe/Berlin"],
        sweeps={"max_unavailable": [1, "25%"]},
        sensitivity=True,
        node_rate=6,
        **FEW,
    )
    data = made.to_dict()
    assert all((data["maintenance"], data["sweeps"], data["sensitivity"], data["joins"]))


def test_what_is_left_of_an_upgrade_under_way() -> None:
    path = ROOT / "fixtures" / "states" / "rolling-on.json"
    made = simulator.plan(MIGRATION, state=path, **FEW)
    assert (made.nodes, made.exit_code) == (4, 0)
    assert made.remaining is not None
    assert made.remaining.left["scheduling_block"][0].value is not None
    again = simulator.plan(MIGRATION, state=json.loads(path.read_text()), **FEW)
    assert again.remaining == made.remaining
    assert again.made_by.endswith("state=...)")
    with pytest.raises(NoAnswerError, match="no calico-node pod is in it"):
        simulator.plan(MIGRATION, state={"kind": "List", "items": []}, **FEW)
    with pytest.raises(ScenarioError, match="expected"):
        simulator.plan(MIGRATION, state={"pods": 3}, **FEW)


def test_samples_are_arrays_that_the_windows_sum_up() -> None:
    made = simulator.plan(MIGRATION, **FEW)
    assert made.samples.keys() == made.windows.keys()
    for name, lengths in made.samples.items():
        assert lengths.dtype == np.float64
        assert lengths.shape == (8,)
        assert made.windows[name].summary.maximum == lengths.max()
        with pytest.raises(ValueError, match="read-only"):
            lengths[0] = 0
    never = simulator.plan(MIGRATION, kops_version="1.16", replications=3)
    assert np.isinf(never.samples["scheduling_block"]).all()


def test_the_page_and_the_call_that_makes_it_again(tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    made = simulator.plan(Source("spec.yaml", MIGRATION.read_bytes()), nodes=2, budgets={"total": "1h"}, **FEW)
    page = made.to_html(path)
    assert path.read_text() == page
    assert made.made_by == (
        "simulator.plan('spec.yaml', kops_version='1.12', nodes=2, replications=8, budgets={'total': '1h'})"
    )
    assert "simulator.plan(&#x27;spec.yaml&#x27;" in page
    assert "simulator.plan" not in made.to_html(command="calico-sim plan spec.yaml")
    assert made._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert simulator.plan(text=MIGRATION.read_text(), **FEW).made_by.startswith("simulator.plan(text=...,")
    with pytest.raises(OSError, match="it cannot be written"):
        made.to_html(tmp_path / "nowhere" / "plan.html")


def test_a_plan_shows_itself_in_one_line() -> None:
    assert repr(simulator.plan(MIGRATION, kops_version="1.16", replications=3)) == (
        "<Plan of prod.example.com, 12 nodes: never-completes, no new pod starts for ever (P90 ever), "
        "in all for ever (P90 ever)>"
    )
    blocked = simulator.plan(SPECS / "calico-v2-etcd-2.yaml", kops_version="1.12")
    assert repr(blocked) == "<Plan of prod.example.com, 12 nodes: blocked>"
    assert dict(blocked.samples) == {}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "give a file, or the spec itself"),
        ({"spec": MIGRATION, "text": "x"}, ValueError, "give a file, or the spec itself"),
        ({"spec": "nowhere.yaml"}, OSError, "nowhere.yaml"),
        ({"text": "a: 1"}, simulator.PlanError, "<text>: no kOps Cluster"),
        ({"spec": MIGRATION, "kops_version": "new"}, ValueError, "'new' is not a kOps version"),
        ({"spec": MIGRATION, "nodes": 0}, ValueError, "nodes=0: at least 1"),
        ({"spec": MIGRATION, "seed": -1}, ValueError, "seed=-1: at least 0"),
        ({"spec": MIGRATION, "risk": 2}, ValueError, "'2' is no risk"),
        ({"spec": MIGRATION, "budgets": {"block": 9}}, ValueError, "'block=9' is no budget"),
        ({"spec": MIGRATION, "settings": {"kill": "soon"}}, ValueError, "'soon' is not a number"),
        ({"spec": MIGRATION, "settings": {"pull": 1}}, simulator.PlanError, "'pull' is no parameter"),
        ({"spec": MIGRATION, "max_unavailable": 0}, simulator.PlanError, "0 is too small"),
        ({"spec": MIGRATION, "v1_data": "nowhere.json"}, ValueError, "nowhere.json"),
    ],
)
def test_what_plan_refuses(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        simulator.plan(**arguments)
