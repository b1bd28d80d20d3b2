"""`calico-lint --v1-data` and `calico-sim plan --v1-data` as they are called."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from calico_lint.cli import main as lint_main
from calico_lint.report import FORMATS
from simulator.cli import main as sim_main
from tests.helpers import ROOT
from tests.v1data.etcd_server import etcd_server, needs_etcd, put

DATA = Path("fixtures") / "v1data"
EXPORT, STORE = str(DATA / "export.yaml"), str(DATA / "store.json")
REPAIRED = str(DATA / "store-repaired.json")
NODE = "apiVersion: v1\nkind: node\nmetadata: {name: %s}\n"


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("APIV1_ETCD_ENDPOINTS", "ETCD_ENDPOINTS", "CALICO_ETCD_ENDPOINTS", "CALICO_APIV1_ETCD_ENDPOINTS"):
        monkeypatch.delenv(name, raising=False)


class Run:
    """Exit code and output of a command."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object, command: Any = lint_main) -> None:
        self.code = command([str(each) for each in arguments])
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def lint(capsys: pytest.CaptureFixture[str], *arguments: object) -> Run:
    return Run(capsys, "--isolated", "--v1-data", *arguments)


def rules(run: Run) -> list[str]:
    return [each["rule"] for each in run.json["findings"]]


def test_mistakes_are_found_and_their_repair_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = lint(capsys, STORE), lint(capsys, REPAIRED)
    assert (bad.code, good.code) == (1, 0)
    assert "would stop at this data" in bad.out
    assert "1 object is left out without a word" in bad.out
    assert "would migrate this data: 1 FelixConfiguration, 1 ClusterInformation" in good.out
    assert "2 IPAM blocks, 4 IPAM handles." in good.out
    assert lint(capsys, EXPORT).code == 1
    assert lint(capsys, DATA / "export-repaired.yaml").code == 0


def test_the_section_of_the_json_report(capsys: pytest.CaptureFixture[str]) -> None:
    report = lint(capsys, STORE, "--format", "json").json
    data = report["v1_data"]
    assert report["summary"]["files"] == 1
    assert data["migrates"] is False
    assert data["whole_store"] is True
    assert data["sources"] == [{"path": STORE, "form": "nodes", "objects": report["summary"]["documents"]}]
    assert data["resources"]["WorkloadEndpoint"] == 4
    assert data["ipam"] == {"blocks": 2, "affinities": 0, "handles": 4}
    assert {row["kind"] for row in data["names"]} == {"Node", "IPPool", "WorkloadEndpoint"}
    assert {row["rule"] for row in data["skipped"]} == {"D010", "D017", "D020"}
    assert data["differences"] is None
    found = next(each for each in report["findings"] if each["rule"] == "D010")
    assert found["field"] == "/calico/v1/policy/tier/default/policy/deny-all.order"
    assert found["document"] == {"index": 0, "kind": "policy", "name": "deny-all"}
    line = Path(STORE).read_text().split("\n")[found["line"] - 1]
    assert "/calico/v1/policy/tier/default/policy/deny-all" in line


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_names_every_finding(format: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "report"
    run = lint(capsys, EXPORT, "--format", format, "--output", f"{format}={file}")
    assert run.code == 1
    for rule in ("D020", "D032", "D033", "D040", "D057", "D070"):
        assert rule in run.out
        assert rule in file.read_text()
    if format in ("json", "sarif", "gitlab"):
        json.loads(run.out)
    if format in ("junit", "checkstyle"):
        ElementTree.fromstring(run.out)


def test_both_conversions_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    old, new = (lint(capsys, EXPORT, "--calico-upgrade", name, "--format", "json") for name in ("v1.0.5", "master"))
    assert "D070" in rules(old)
    assert "D070" not in rules(new)
    rows = {(row["kind"], row["name"]): row["fields"] for row in old.json["v1_data"]["differences"]}
    assert rows["GlobalNetworkPolicy", "allow-frontend-76ed3c4d"] == ["spec.ingress[0].source.selector"]
    assert rows["IPPool", "100-96-0-0-11"] == ["spec.blockSize", "spec.nodeSelector", "spec.vxlanMode"]
    text = lint(capsys, EXPORT, "--calico-upgrade", "master").out
    assert "match nothing in v3 (D070)" in text
    file = tmp_path / "node.yaml"
    file.write_text(NODE % "n1")
    assert "make the same of it" in lint(capsys, file, "--calico-upgrade", "master").out


def test_the_v3_resources_are_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "v3.yaml"
    run = lint(capsys, REPAIRED, "--write-v3", file)
    assert f"wrote {file} and {file}.names.tsv\n" in run.err
    resources = list(yaml.safe_load_all(file.read_text()))
    assert {each["apiVersion"] for each in resources} == {"projectcalico.org/v3"}
    kinds = [each["kind"] for each in resources]
    assert kinds.count("WorkloadEndpoint") == 4
    assert "ClusterInformation" not in kinds  # calicoctl does not apply it
    head, *rows = (tmp_path / "v3.yaml.names.tsv").read_text().splitlines()
    assert head.split("\t") == ["v1 kind", "v1 name", "v3 kind", "v3 namespace", "v3 name"]
    assert ["policy", "deny-all", "GlobalNetworkPolicy", "", "deny-all"] in [row.split("\t") for row in rows]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v3.yaml", "v3.yaml.names.tsv"]
    assert "without the objects" in lint(capsys, STORE, "--write-v3", file).err


def test_rules_are_selected_ignored_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(rules(lint(capsys, EXPORT, "--format", "json", "--select", "D03"))) == {"D032", "D033"}
    some = lint(capsys, EXPORT, "--format", "json", "--ignore", "D0")
    assert (some.code, rules(some)) == (0, [])
    assert lint(capsys, EXPORT, "--ignore", "D032,D033,D040,D057").code == 0
    assert lint(capsys, EXPORT, "--ignore", "D032,D033,D040,D057", "--fail-on", "warning").code == 1
    assert lint(capsys, EXPORT, "--exit-zero").code == 0
    assert "D040 v1-name-clash" in Run(capsys, "--explain", "D040").out
    assert re.search(r"D040\s+error", lint(capsys, EXPORT, "--statistics").out)


def test_comments_suppress_in_yaml(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "export.yaml"
    text = (
        Path(EXPORT).read_text().replace("types: [inbound]", "types: [inbound]  # calico-lint: ignore[D032] soon gone")
    )
    file.write_text(f"# calico-lint: ignore-file[D040, D057] leftovers\n{text}")
    run = lint(capsys, file, "--format", "json")
    assert sorted(rules(run)) == ["D020", "D033", "D070"]
    assert run.json["summary"]["suppressed"] == 3
    assert "D032" in rules(lint(capsys, file, "--format", "json", "--no-inline-ignores"))
    store = tmp_path / "store.json"  # JSON has no comments, whatever its texts say
    store.write_text(
        '{"/calico/v1/Ready": "false # calico-lint: ignore[D002]", "/calico/v1/config/CalicoVersion": "v2.6.12"}'
    )
    assert "D002" in rules(lint(capsys, store, "--format", "json"))


def test_a_baseline_hides_what_is_known(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    assert lint(capsys, STORE, "--write-baseline", baseline).code == 0
    run = lint(capsys, STORE, "--baseline", baseline, "--format", "json")
    assert (run.code, run.json["findings"]) == (0, [])
    assert run.json["v1_data"]["migrates"] is False  # known or not, calico-upgrade stops


def test_several_files_are_one_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("Node_A", "node-a"):
        (tmp_path / f"{name}.yaml").write_text(NODE % name)
    run = lint(capsys, tmp_path / "Node_A.yaml", tmp_path / "node-a.yaml", "--format", "json")
    (found,) = (each for each in run.json["findings"] if each["rule"] == "D040")
    assert {Path(found["path"]).name, Path(found["related"][0]["path"]).name} == {"Node_A.yaml", "node-a.yaml"}
    assert rules(lint(capsys, tmp_path, "--format", "json")) == ["D040"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("none.yaml",), 2, "none.yaml: No such file"),
        (("etcd://127.0.0.1:1,127.0.0.1:2/x",), 2, "only the address"),
        (("etcd:",), 2, "APIV1_ETCD_ENDPOINTS"),
        ((EXPORT, "--fix"), 2, "--fix is about specs"),
        ((EXPORT, "--from", EXPORT), 2, "--from is about specs"),
        ((EXPORT, "--write-v3", EXPORT), 2, "would be overwritten"),
        ((EXPORT, "--write-v3", "/nowhere/v3.yaml"), 2, "No such file"),
        ((EXPORT, "--select", "D9"), 2, "no rule has"),
        (("bench",), 3, "nothing was checked"),
    ],
)
def test_what_cannot_be_done(
    arguments: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lint(capsys, *arguments)
    assert run.code == code
    assert said in run.err


@needs_etcd
def test_a_live_store(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with etcd_server(tmp_path) as address:
        put(address, "/calico/v1/config/CalicoVersion", "v2.6.4")
        put(address, "/calico/v1/Ready", "true")
        put(address, "/calico/v1/policy/tier/default/policy/A", "[]")
        run = lint(capsys, f"etcd://{address}", "--format", "json")
        assert run.code == 1
        assert {(each["rule"], each["path"], each["field"]) for each in run.json["findings"]} >= {
            ("D001", f"etcd://{address}", "/calico/v1/config/CalicoVersion"),
            ("D010", f"etcd://{address}", "/calico/v1/policy/tier/default/policy/A"),
        }
        assert run.json["v1_data"]["v3_store"] == {"keys": 0, "cluster_information": None}
        for format in FORMATS:
            assert lint(capsys, f"etcd://{address}", "--format", format).code == 1
        plan = Run(capsys, "plan", DATA / "cluster.yaml", "--v1-data", f"etcd://{address}", command=sim_main)
        assert plan.code == 1


# --- calico-sim plan ------------------------------------------------------------------------------------


def plan(capsys: pytest.CaptureFixture[str], *arguments: object) -> Run:
    spec = DATA / "cluster.yaml"
    return Run(
        capsys, "plan", spec, "--kops-version", "1.12.3", "--replications", 8, *arguments, command=sim_main
    )  # fmt: skip


def test_a_plan_counts_what_is_to_migrate(capsys: pytest.CaptureFixture[str]) -> None:
    guessed, counted = plan(capsys, "--format", "json"), plan(capsys, "--format", "json", "--v1-data", REPAIRED)
    assert guessed.code == counted.code == 0
    assert "v1_data" not in guessed.json
    assert counted.json["scenario"]["cluster"]["objects"] == {"resources": 11, "ipam": 6}
    data = counted.json["v1_data"]
    assert data["sources"] == [REPAIRED]
    assert sum(data["resources"].values()) == 11
    shares = {row["stage"]: row["share"] for row in counted.json["critical_path"]}
    assert data["share_of_block"] == shares["read and write the data"] > 0
    parameters = {each["name"]: each for each in counted.json["profile"]["parameters"]}
    assert parameters["pods_per_node"]["distribution"] == "2"
    text = plan(capsys, "--v1-data", REPAIRED).out
    assert "11 resources and 6 IPAM entries" in text


def test_what_calicoctl_prints_leaves_ipam_to_the_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    objects = plan(capsys, "--format", "json", "--v1-data", DATA / "export-repaired.yaml").json["scenario"]["cluster"]
    assert objects["objects"]["resources"] == 9
    assert objects["objects"]["ipam"] == plan(capsys, "--format", "json").json["scenario"]["cluster"]["objects"]["ipam"]


def test_data_that_stops_the_migration_blocks_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    run = plan(capsys, "--v1-data", STORE, "--format", "json")
    assert (run.code, run.json["verdict"]) == (1, "blocked")
    assert "the v1 data has 2 errors (D034, D030)" in run.json["reason"]
    assert {"D030", "D034"} <= set(rules(run))
    assert run.json["v1_data"]["share_of_block"] is None
    assert "store.json:" in plan(capsys, "--v1-data", STORE).out


def test_data_plays_no_part_where_none_is_migrated(capsys: pytest.CaptureFixture[str]) -> None:
    spec = "fixtures/specs/calico-v3-rolling.yaml"
    run = Run(capsys, "plan", spec, "--replications", 8, "--v1-data", STORE, command=sim_main)
    assert run.code == 0
    assert "--v1-data plays no part" in " ".join(run.out.split())


@pytest.mark.parametrize("path", ["none.json", str(DATA / "cluster.yaml"), "etcd:"])
def test_data_that_cannot_be_read(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = plan(capsys, "--v1-data", path)
    assert run.code == 2
    assert run.err.startswith("calico-sim: ")
    assert "Traceback" not in run.err
