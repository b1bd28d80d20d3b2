"""--print-schema for editors, and --schema for an organisation's own rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from calico_lint.cli import main
from tests.helpers import spec_text

SPEC = spec_text("networking: {calico: {mtu: 8980, typhaReplicas: 2}}", "1.34")
GROUP = """\
---
apiVersion: kops.k8s.io/v1alpha2
kind: InstanceGroup
metadata: {name: nodes, labels: {kops.k8s.io/cluster: example.net}}
spec: {role: Node, minSize: 2, maxSize: 2, machineType: m5.large, image: ubuntu, subnets: [z1]}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KOPS_VERSION", raising=False)
    (tmp_path / "spec.yaml").write_text(SPEC + GROUP)
    return tmp_path


# --- --print-schema -------------------------------------------------------------------------------------


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["--print-schema", *arguments]) == 0
    schema: dict[str, Any] = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize(("kind", "index"), [("cluster", 0), ("instancegroup", 1)])
def test_the_printed_schema_is_that_of_the_release(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str, index: int
) -> None:
    newest = printed(capsys, kind)
    assert newest["title"].endswith("kOps 1.36")
    assert "x-kops" not in json.dumps(newest)
    document = list(yaml.safe_load_all((here / "spec.yaml").read_text()))[index]
    assert list(Draft202012Validator(newest).iter_errors(document)) == []
    assert list(Draft202012Validator(newest).iter_errors({**document, "spec": {"nosuch": 1}})) != []


def test_a_field_stands_in_the_schemas_of_its_releases(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def knows_vxlan_mode(kops: str) -> bool:
        return "vxlanMode" in json.dumps(printed(capsys, "cluster", "--kops-version", kops))

    assert [knows_vxlan_mode(kops) for kops in ("1.8", "1.21.5", "1.22", "1.99")] == [False, False, True, True]


def test_a_release_that_does_not_parse_prints_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-schema", "cluster", "--kops-version", "latest"]) == 2
    assert capsys.readouterr().out == ""


# --- --schema -------------------------------------------------------------------------------------------


def own(here: Path, schema: object) -> None:
    (here / "own.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))


def found(capsys: pytest.CaptureFixture[str], *more: str) -> list[tuple[str, int, str, str]]:
    main(["spec.yaml", *more, "--schema", "own.json", "--kops-version", "1.34", "--format", "json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return [
        (each["field"], each["line"], each["document"]["kind"], each["message"])
        for each in findings
        if each["rule"] == "U009"
    ]


def calico(schema: object) -> dict[str, Any]:
    return {"properties": {"spec": {"properties": {"networking": {"properties": {"calico": schema}}}}}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, []),
        (calico({"properties": {"mtu": {"maximum": 9000}}}), []),
        (
            calico({"properties": {"mtu": {"maximum": 1500}}}),
            [("spec.networking.calico.mtu", "8980 is greater than the maximum of 1500: `own.json` wants it otherwise")],
        ),
        (
            calico({"required": ["mtu", "version"]}),
            [("spec.networking.calico.version", "`version` is missing: `own.json` wants it")],
        ),
        (
            calico({"additionalProperties": False, "properties": {"mtu": {}}, "patternProperties": {"^x": {}}}),
            [("spec.networking.calico.typhaReplicas", "`typhaReplicas` is not allowed here by `own.json`: remove it")],
        ),
        (
            calico({"maxProperties": 1}),
            [
                (
                    "spec.networking.calico",
                    "`spec.networking.calico` has too many properties: `own.json` wants it otherwise",
                )
            ],
        ),
        (
            calico({"anyOf": [{"properties": {"mtu": {"const": 1440}}}, False]}),
            [("spec.networking.calico.mtu", "1440 was expected: `own.json` wants it otherwise")],
        ),
    ],
)
def test_an_objection_stands_at_its_place(
    here: Path, capsys: pytest.CaptureFixture[str], schema: object, expected: list[tuple[str, str]]
) -> None:
    own(here, schema)
    lines = SPEC.splitlines()
    result = found(capsys)
    assert [(field, message) for field, _, _, message in result] == expected
    for field, line, kind, _ in result:
        assert kind == "Cluster"
        assert field.removeprefix("spec.networking.").removesuffix(".version").rpartition(".")[2] in lines[line - 1]


def test_every_cluster_and_instance_group_is_checked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own(here, {"properties": {"metadata": {"required": ["annotations"]}}})
    (here / "values.yaml").write_text("a: 1\n")
    (here / "list.yaml").write_text(f"kind: List\nitems:\n- {json.dumps(yaml.safe_load(SPEC))}\n")
    assert [(field, kind) for field, _, kind, _ in found(capsys, "list.yaml", ".")] == [
        ("items[0].metadata.annotations", "Cluster"),
        ("metadata.annotations", "Cluster"),
        ("metadata.annotations", "InstanceGroup"),
    ]


def test_the_rule_can_be_selected_and_decides_the_exit_code(here: Path) -> None:
    own(here, {"required": ["nosuch"]})
    arguments = ["spec.yaml", "--schema", "own.json", "--kops-version", "1.34"]
    assert main(arguments) == 1
    assert main([*arguments, "--ignore", "U009"]) == 0
    assert main([*arguments, "--select", "U009"]) == 1
    assert main(["--explain", "U009"]) == 0


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{", "own.json is not JSON"),
        ("[]", "own.json is not a JSON Schema: $: [] is not of type"),
        ('{"type": "nosuch"}', "own.json is not a JSON Schema: $.type: 'nosuch'"),
        ('{"$ref": "https://example.net/schema.json"}', "refers to 'https://example.net/schema.json', which is not in"),
        ('{"$ref": "#/$defs/nosuch"}', "which is not in the file, and nothing is fetched"),
        ('{"$ref": "#"}', "own.json cannot be used: maximum recursion depth"),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_usage_error(
    here: Path, capsys: pytest.CaptureFixture[str], schema: str, reason: str
) -> None:
    own(here, schema)
    assert main(["spec.yaml", "--schema", "own.json"]) == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert captured.err.startswith("calico-lint: --schema: ")
    assert captured.out == ""


def test_a_schema_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec.yaml", "--schema", "missing.json"]) == 2
    assert "missing.json: No such file" in capsys.readouterr().err
