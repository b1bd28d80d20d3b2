from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import simulator
from simulator.catalogue import FAULTS
from simulator.checklist import CHECKS, Check, checklist, images_of
from simulator.cli import main
from simulator.planning import Plan
from simulator.report.checklist import render_text
from simulator.scenario import V3_ROLLING
from tests.helpers import ROOT

SPECS = ROOT / "fixtures" / "specs"
MIGRATION = (SPECS / "calico-v2-to-v3.yaml").read_text()
MODERN = (SPECS / "calico-v3-rolling.yaml").read_text()


def plan(text: str, kops: str, **options: object) -> Plan:
    return simulator.plan(text=text, kops_version=kops, replications=1, **options)  # type: ignore[arg-type]


def by_id(made: Plan) -> dict[str, Check]:
    return {check.id: check for check in checklist(made)}


@pytest.fixture(scope="module", params=[(MIGRATION, "1.12.3"), (MODERN, "1.30.4"), (MIGRATION, "1.16")])
def made(request: pytest.FixtureRequest) -> Plan:
    return plan(*request.param)


def test_a_plan_gets_each_check_once_and_complete(made: Plan) -> None:
    found = checklist(made)
    assert len({check.id for check in found}) == len(found) >= 12
    for check in found:
        assert made.upgrade.protocol in check.protocols
        assert all((check.name, check.commands, check.shows, check.why)), check.id
        assert set(check.faults) <= FAULTS.keys(), check.id
        texts = " ".join((*check.commands, check.shows, check.why))
        assert not re.search(r"<(?!none>)\w+>|ETCDCTL[23]", texts), check.id  # nothing is left to be filled in
        for text in (check.shows, check.why, check.name):
            assert not text.endswith("."), check.id


def test_every_command_is_a_command(made: Plan) -> None:
    for check in checklist(made):
        for command in check.commands:
            subprocess.run(["bash", "-n", "-c", command], check=True, capture_output=True)
            assert command.isprintable()


TYPHA = MODERN.replace("calico: {}", "calico: {typhaReplicas: 3}")


def test_every_check_belongs_to_some_plan(tmp_path: Path) -> None:
    today = tmp_path / "today.yaml"
    today.write_text(MIGRATION)
    on_etcd = plan(MIGRATION, "1.13", old=today, from_kops_version="1.12.2")
    assert on_etcd.upgrade.protocol == V3_ROLLING
    called = set[tuple[str, str]]()
    for made in (plan(MIGRATION, "1.12.3"), plan(MODERN, "1.30.4"), plan(TYPHA, "1.30.4"), on_etcd):
        called |= {
            (check.id, check.shows)
            for check in CHECKS
            if made.upgrade.protocol in check.protocols and check.needed(made)
        }
    assert called == {(check.id, check.shows) for check in CHECKS}


def test_what_a_migration_looks_at() -> None:
    found = by_id(plan(MIGRATION, "1.12.3"))
    assert {"version", "unlocked", "v3-empty", "dry-run", "job-runs", "old-job", "autoscaler", "starts"} <= found.keys()
    assert "etcd-a.internal.prod.example.com:4001" in found["version"].commands[0]
    assert "quay.io/calico/node:v3.7.4" in found["images"].commands[0]
    assert "docker pull calico/upgrade:v1.0.5" in found["images"].commands[0]
    assert found["nodes"].shows.startswith("12 nodes")
    assert found["kops"].shows == "1.12.3"
    assert found["kops"].settled == "the plan is for kOps 1.12.3"
    assert by_id(plan(MIGRATION, "1.12.3", max_unavailable="20%"))["strategy"].shows.startswith(
        "RollingUpdate 20% (kOps"
    )


def test_what_a_roll_looks_at() -> None:
    found = by_id(plan(MODERN, "1.30.4"))
    assert (
        not {"version", "unlocked", "v3-empty", "dry-run", "job-runs", "old-job", "autoscaler", "typha"} & found.keys()
    )
    assert "crictl pull docker.io/calico/node:v3.27.3" in found["images"].commands[0]
    assert "s3://example-kops-state/modern.example.com/backups/etcd/main" in found["etcd-backup"].commands[0]
    assert "typha" in by_id(plan(TYPHA, "1.30.4"))


@pytest.mark.parametrize(
    ("text", "kops", "image"),
    [
        (MIGRATION, "1.11", "quay.io/calico/node:v3.3.1"),
        (MIGRATION, "1.14", "quay.io/calico/node:v3.7.4"),
        (MIGRATION, "1.16", "calico/node:v3.8.0"),
        (MIGRATION, "1.19", "calico/node:v3.8.0"),
        (MODERN, "1.30", "docker.io/calico/node:v3.27.3"),
        (MODERN.replace("calico: {}", "calico: {registry: my.registry/}"), "1.30", "my.registry/calico/node:v3.27.3"),
    ],
)
def test_images_are_those_of_the_manifests(text: str, kops: str, image: str) -> None:
    assert image in images_of(plan(text, kops))


def test_data_that_was_given_settles_the_dry_run() -> None:
    made = plan(MIGRATION, "1.12.3", v1_data=ROOT / "fixtures" / "v1data" / "export-repaired.yaml")
    assert by_id(made)["dry-run"].settled.endswith("export-repaired.yaml: it converts, as it was then")


def test_a_blocked_plan_has_no_list() -> None:
    blocked = simulator.plan(SPECS / "calico-v2-etcd-2.yaml", kops_version="1.12")
    assert checklist(blocked) == ()
    assert "nothing to check, the upgrade is blocked" in render_text(blocked)
    assert blocked.to_dict()["checklist"] == []


def test_a_name_is_no_command() -> None:
    text = MODERN.replace("modern.example.com", '"a; rm -rf $HOME"', 1).replace(
        "cluster: modern.example.com", "cluster: a"
    )
    made = simulator.plan(text=text, kops_version="1.30", nodes=3, replications=1)
    if made.scenario is None:
        pytest.skip("kOps refuses this name already")
    for check in checklist(made):
        for command in check.commands:
            assert "rm -rf" not in command.replace("'a; rm -rf $HOME'", "").replace("'a; rm -rf $HOME/", "'")


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", str(SPECS / "calico-v2-to-v3.yaml"), "--kops-version", "1.12.3", "--replications", "1"]
    assert main(arguments) == 0
    report = capsys.readouterr().out
    assert main([*arguments, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["checklist"]
    assert f"Before you start {len(found)} things to look at" in report
    assert main([*arguments, "--checklist"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("[ ]") for line in lines) == len(found)
    commands = [line.strip().removeprefix("$ ") for line in lines if line.strip().startswith("$ ")]
    assert commands == [command for check in found for command in check["commands"]]
    assert all(len(line) <= 100 for line in lines if "$ " not in line)
