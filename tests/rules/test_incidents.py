"""Every published incident that can be seen in its minimal spec is caught by a rule that speaks of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from calico_lint import rules
from tests.helpers import SHARED, lint_text, needs_shared
from tests.rules.incidents import ALL_ERRORS, INCIDENTS, Caught, Elsewhere, Silent, Unseen

FOLDER = SHARED / "incidents"
FILES = {path.name[:3]: path for path in sorted(FOLDER.glob("*.yaml"))}


def incident(number: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILES[number].read_text())
    return loaded


# What the comment `# old: ...` of a minimal spec may say of the spec as it was: (pattern, the change to the Cluster).
def _set_etcd(key: str) -> Any:
    def change(spec: dict[str, Any], value: str) -> None:
        for etcd in spec["etcdClusters"]:
            etcd[key] = {"true": True, "false": False}.get(value, value)

    return change


def _set_major_version(spec: dict[str, Any], value: str) -> None:
    spec["networking"]["calico"] = {**spec["networking"]["calico"], "majorVersion": value}


OLD_WORDS = (
    (r"kubernetesVersion ([\d.]+)", lambda spec, value: spec.update(kubernetesVersion=value)),
    (r"calico\.majorVersion (v3)", _set_major_version),
    (r"etcdClusters\[\]\.version ([\d.]+)", _set_etcd("version")),
    (r"provider (\w+)", _set_etcd("provider")),
    (r"enableEtcdTLS (true|false)", _set_etcd("enableEtcdTLS")),
    (r"kOps (\d+\.\d+(?:\.\d+)?)(?:\.x)?", None),
)


def read(minimal: str) -> tuple[str | None, str, str | None, str | None]:
    """(kOps, new spec, old spec, kOps of the old spec) of a minimal spec."""
    kops = re.match(r"# kops: (\S+)", minimal)
    parts = re.split(r"(?m)^# (?:old|new) spec$", minimal)
    if len(parts) == 3:
        return kops and kops[1], parts[2], parts[1].removesuffix("---\n"), None
    described = re.search(r"(?m)^# old: (.*)$", minimal)
    if described is None:
        return kops and kops[1], minimal, None, None
    documents = list(yaml.safe_load_all(minimal))
    from_kops, rest = None, described[1]
    for pattern, change in OLD_WORDS:
        match = re.search(pattern, rest)
        if match is None:
            continue
        rest = rest.replace(match[0], "")
        if change is None:
            from_kops = match[1]
        else:
            change(documents[0]["spec"], match[1])
    assert not rest.strip(" ,()."), f"a part of the comment was not understood: {rest!r}"
    return kops and kops[1], minimal, yaml.safe_dump_all(documents, sort_keys=False), from_kops


@needs_shared
@pytest.mark.parametrize(
    "number", [number for number, entry in INCIDENTS.items() if isinstance(entry, Caught | Silent)]
)
def test_an_incident_is_caught_by_a_rule_that_speaks_of_it(number: str) -> None:
    entry = INCIDENTS[number]
    kops, new, old, from_kops = read(incident(number)["minimal_spec"])
    findings = lint_text(new, kops, old, from_kops).findings
    fired = {finding.rule: finding for finding in findings}
    errors = [finding for finding in findings if finding.severity == "error"]
    if isinstance(entry, Silent):
        assert not (ALL_ERRORS in entry.rules and errors)
        assert not set(entry.rules) & set(fired)
        return
    assert isinstance(entry, Caught)
    assert set(entry.rules) <= set(fired)
    if entry.info:
        assert {fired[rule].severity for rule in entry.rules} == {"info"}
        assert not errors


@needs_shared
def test_the_table_names_every_incident() -> None:
    assert set(INCIDENTS) == set(FILES)
    without = {number for number in FILES if incident(number)["minimal_spec"] is None}
    assert without <= {number for number, entry in INCIDENTS.items() if isinstance(entry, Elsewhere | Unseen)}


def test_the_table_names_rules_that_exist() -> None:
    texts = {rule.id: rule.text for rule in rules.all_rules()}
    known = {*texts, ALL_ERRORS}
    named = {rule for entry in INCIDENTS.values() if not isinstance(entry, Unseen) for rule in entry.rules}
    assert named <= known
    assert all(entry.reason for entry in INCIDENTS.values() if isinstance(entry, Unseen))
    assert all(texts[rule].bad for entry in INCIDENTS.values() if isinstance(entry, Elsewhere) for rule in entry.rules)
