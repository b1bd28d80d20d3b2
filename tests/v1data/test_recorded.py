"""The same result as the real converters, for everything that they were asked.

`recorded.jsonl` has values of our own, made at random with errors in them, and what libcalico-go makes of each at
9047dcb0 ("v1.0.5") and bd77a00a ("master", or "same"): the stage that it reaches (parse, convert, validate, ok;
panic where it crashes) and the v3 resource; for Felix's parameters the v3 spec and the parameters that fail. The
converters, the values' parsing and the v3 validators were run as they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from calico_lint.v1data import UPGRADES, InvalidResourceError, V1Object, convert, from_api
from calico_lint.v1data.convert import convert_resource
from calico_lint.v1data.decode import UnparsableError
from calico_lint.v1data.names import ip_name, node_name, policy_name, resource_name
from calico_lint.v1data.resources import ConversionError
from calico_lint.v1data.validate import faults
from tests.helpers import SHARED, needs_shared

V1DATA = SHARED / "v1data"
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "recorded.jsonl").read_text().splitlines()]


def stage_of(objects: list[V1Object], upgrade: str) -> tuple[str, Any]:
    """(stage, v3 resource or the rule) of one resource."""
    try:
        resource = convert_resource(objects, upgrade)
    except UnparsableError as error:
        return "parse", error.reason
    except ConversionError as error:
        return ("panic" if error.rule == "D012" else "convert"), error.rule
    return ("validate" if faults(resource, upgrade) else "ok"), resource


def felix_of(objects: list[V1Object], upgrade: str) -> tuple[Any, list[str]]:
    conversion = convert(objects, upgrade, whole_store=False)
    specs = [resource["spec"] for resource in conversion.resources if resource["kind"] == "FelixConfiguration"]
    failed = {problem.object.path.rpartition("/")[2] for problem in conversion.problems if problem.rule == "D034"}
    return (specs[0] if specs else None), sorted(failed)


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("row", RECORDED, ids=lambda row: min(row["keys"]).encode("ascii", "replace").decode()[-50:])
def test_the_real_converters_agree(row: dict[str, Any], upgrade: str) -> None:
    objects = [V1Object(path, value) for path, value in row["keys"].items()]
    expected = row[upgrade] if row[upgrade] != "same" else row["v1.0.5"]
    if expected["stage"] == "felix":
        assert felix_of(objects, upgrade) == (expected["v3"], expected["errors"])
        return
    stage, resource = stage_of(objects, upgrade)
    assert stage == expected["stage"]
    if stage in ("ok", "validate"):
        assert resource == expected["v3"]


def without_timestamp(v3: dict[str, Any]) -> dict[str, Any]:
    """The resource as it is applied: Go writes a null for the time of creation."""
    return v3 | {"metadata": {key: value for key, value in v3["metadata"].items() if key != "creationTimestamp"}}


def from_backend(kind: str, backend: dict[str, Any]) -> list[V1Object]:
    """The keys of a recorded backend value; nodes and profiles are recorded in one piece."""
    value = backend["value"]
    if kind == "profile":
        parts = {"tags": value["Tags"], "labels": value["Labels"], "rules": value["Rules"]}
        return [V1Object(f"{backend['etcd_v1_path']}/{part}", item) for part, item in parts.items() if item is not None]
    if kind == "node":
        host = backend["key"]["Hostname"]
        keys = {
            "ip_addr_v4": value["BGPIPv4Addr"],
            "ip_addr_v6": value["BGPIPv6Addr"],
            "network_v4": value["BGPIPv4Net"],
            "network_v6": value["BGPIPv6Net"],
            "as_num": value["BGPASNumber"],
        }
        return [
            V1Object(f"/calico/v1/host/{host}/metadata", {}),
            *(
                V1Object(f"/calico/bgp/v1/host/{host}/{key}", str(item))
                for key, item in keys.items()
                if item is not None
            ),
            *(
                [V1Object(f"/calico/v1/host/{host}/orchestrator_refs", value["orchRefs"])]
                if "orchRefs" in value
                else []
            ),
        ]
    return [V1Object(backend["etcd_v1_path"], value)]


def stored_alike(mine: list[V1Object], backend: dict[str, Any], kind: str) -> bool:
    """Whether calicoctl's resource is stored as it was recorded (of pools, later versions store a vxlan_mode)."""
    others = {object.path: object.value for object in from_backend(kind, backend)}
    for value in others.values():
        if isinstance(value, dict):
            value.pop("vxlan_mode", None)
    return {object.path: object.value for object in mine} == others


# Which rule says what the real converters say.
REASONS = {
    "malformed k8s workload ID": "D030",
    "error with field": "D031",
    "invalid policy type": "D032",
    "have the same value for Profile": "D033",
}


def converters_agree(objects: list[V1Object], expected: dict[str, Any] | None, error: str | None) -> None:
    """Master's result is the recorded one, and v1.0.5's differs only in what is known of it."""
    stage, result = stage_of(objects, "master")
    older_stage, older = stage_of(objects, "v1.0.5")
    if error is not None:
        assert (stage, result) == ("convert", next(rule for text, rule in REASONS.items() if text in error))
        assert (older_stage, older) == (stage, result)
        return
    assert expected is not None
    assert result == without_timestamp(expected)
    newer = json.dumps({**result, "spec": {**result["spec"]}}, sort_keys=True)
    if result["kind"] == "IPPool":
        spec = {
            key: item for key, item in result["spec"].items() if key not in ("vxlanMode", "blockSize", "nodeSelector")
        }
        assert older == {**result, "spec": spec}
    else:
        text = json.dumps(older, sort_keys=True)
        assert text.replace("calico/k8s_ns", "projectcalico.org/namespace") == newer.replace(
            "calico/k8s_ns", "projectcalico.org/namespace"
        )


def converter_cases() -> list[Any]:
    if not V1DATA.is_dir():
        return []
    kinds = json.loads((V1DATA / "converter_cases.json").read_text())["kinds"]
    return [pytest.param(kind, case, id=f"{kind}-{case['name'][-60:]}") for kind in kinds for case in kinds[kind]]


def random_rows() -> list[Any]:
    if not V1DATA.is_dir():
        return []
    rows = [json.loads(line) for line in (V1DATA / "random.jsonl").read_text().splitlines()]
    return [pytest.param(row, id=f"{row['name']}-{row['kind']}") for row in rows]


NAMES = {"Name": resource_name, "NameNoDots": policy_name, "IPToName": ip_name, "NodeName": node_name}


@needs_shared
@pytest.mark.parametrize(("kind", "case"), converter_cases())
def test_unit_cases_of_the_converters(kind: str, case: dict[str, Any]) -> None:
    if kind in NAMES:
        assert NAMES[kind](case["input"]) == case["expected"]
        return
    if kind == "Selector":
        rules = {"inbound_rules": [{"src_selector": case["input"]}]}
        converted = convert_resource(
            [V1Object("/calico/v1/policy/tier/default/policy/p", {"selector": case["input"], **rules})], "master"
        )
        assert converted["spec"]["selector"] == case["expected"]
        assert converted["spec"]["ingress"][0]["source"]["selector"] == case["expected"]
        return
    kind = (
        kind[0].lower() + kind[1:] if kind not in ("BGPPeer", "IPPool") else {"BGPPeer": "bgpPeer"}.get(kind, "ipPool")
    )
    error = case.get("expected_error")
    wrong_type = "Value is not a valid" in str(error) or "is not a valid" in str(error) or "not possible" in str(error)
    if case.get("error_stage") == "APIV1ToBackendV1":
        # A test of Go's types hands another kind's resource over; here the kind decides what is read.
        document = case["v1_api"] if not wrong_type else {"apiVersion": "v1", "kind": kind, "metadata": {"cidr": ""}}
        with pytest.raises(InvalidResourceError) as caught:
            from_api(document)
        if not wrong_type:
            assert caught.value.field.startswith(("metadata.", "spec.bgp"))
        return
    if wrong_type:
        # A value of another kind below a key: what Go's types rule out is a value that has nothing of this kind.
        assert (
            stage_of([V1Object("/calico/bgp/v1/global/peer_v4/10.0.0.1", {"cidr": "<nil>"})], "master")[0] == "validate"
        )
        return
    if kind == "profile" and error is None:
        # The converter has put the tags into the recorded value's labels, before it was written down.
        value = case["v1_backend"]["value"]
        value["Labels"] = {
            key: text for key, text in (value["Labels"] or {}).items() if key not in (value["Tags"] or ())
        }
    if case.get("v1_api"):
        objects = from_api(case["v1_api"])
        assert stored_alike(objects, case["v1_backend"], kind)
        converters_agree(objects, case.get("expected_v3"), error)
    converters_agree(from_backend(kind, case["v1_backend"]), case.get("expected_v3"), error)


@needs_shared
@pytest.mark.parametrize("row", random_rows())
def test_random_resources(row: dict[str, Any]) -> None:
    error = row["error"]
    if error and error["stage"] == "APIV1ToBackendV1":
        with pytest.raises(InvalidResourceError, match="missing address"):
            from_api(row["v1_api"])
        assert "missing address" in error["text"]
        return
    objects = from_api(row["v1_api"])
    assert stored_alike(objects, row["v1_backend"], row["kind"])
    for source in (objects, from_backend(row["kind"], row["v1_backend"])):
        converters_agree(source, row["v3"], error and error["text"])
    # In the whole conversion it ends as that resource, or something is said that explains its absence.
    conversion = convert(objects, "master", whole_store=False)
    if conversion.resources:
        assert conversion.resources == [row["v3"]]
    else:
        assert [problem.stage for problem in conversion.remarks() if problem.stage != "parse"]


def documents(name: str) -> list[dict[str, Any]]:
    # Two separators of one file have a dash too many, which is no YAML.
    text = (V1DATA / name).read_text().replace("\n----\n", "\n---\n")
    return [document for document in yaml.safe_load_all(text) if document]


def system_cases() -> list[Any]:
    if not V1DATA.is_dir():
        return []
    cases = json.loads((V1DATA / "cases.json").read_text())
    return [pytest.param(name, case, id=name) for name, case in cases.items()]


@needs_shared
@pytest.mark.parametrize(("name", "case"), system_cases())
def test_system_tests_of_calico_upgrade(name: str, case: dict[str, Any]) -> None:
    if name == "empty_datastore":
        assert [problem.rule for problem in convert([]).problems] == ["D001", "D002"]
        return
    if name == "prednat_no_types":
        raw = json.loads((V1DATA / case["file"]).read_text())
        conversion = convert([V1Object(raw["etcdv2_key"], json.dumps(raw["value"]))], whole_store=False)
        assert conversion.ok
        assert conversion.resources[0]["spec"]["types"] == ["Ingress"]
        return
    loaded = documents(case["file"])
    assert len(loaded) == case["n_docs"]
    for document, computed in zip(loaded, case["computed"]["docs"], strict=True):
        converters_agree(from_api(document), computed.get("v3"), computed.get("error"))
    for upgrade in UPGRADES:
        conversion = convert([object for one in loaded for object in from_api(one)], upgrade, whole_store=False)
        if case["expected"] == "success":
            assert conversion.ok
            assert len(conversion.resources) == len(loaded)
        elif case["expected"] == "failure":
            stage = {"validation": "validate", "conversion": "convert"}[case["error_class"]]
            assert {problem.stage for problem in conversion.problems} == {stage}
