"""What kOps itself said of specs, recorded, against what the rules on Calico, networking and etcd say."""

from __future__ import annotations

import csv
import json
import re
from functools import cache

import pytest

from tests.helpers import SHARED, lint_text, needs_shared
from tests.rules.judge import OWN

CORPUS = SHARED / "corpus"
RECORDED = [
    ("mutated-1.12.jsonl", "1.12"),
    ("mutated-1.19.jsonl", "1.19"),
    ("mutated-1.24.jsonl", "1.24"),
    ("mutated-1.28.jsonl", "1.28"),
    ("mutated.jsonl", "1.36"),
]
# kOps names fields by its structs: upper case in 1.12, v1alpha3's spelling from 1.26 on.
SPELLING = {"amazonVPC": "amazonvpc", "kubeRouter": "kuberouter", "gcp": "gce", "MajorVersion": "majorVersion",
            "EnableEtcdTLS": "enableEtcdTLS"}  # fmt: skip
CONCERNS = re.compile(r"spec\.(networking\.(calico|canal|cilium|cni|kubenet|flannel|weave|amazonvpc)\b|etcdClusters\b)")


def written_spelling(field: str) -> str:
    """The field as the v1alpha2 file spells it."""
    if field == "spec.etcdClusters[0].backupStore":
        return "spec.etcdClusters[1].name"  # said of the first cluster, caused by the name of the second
    steps = [step if step in SPELLING else step[:1].lower() + step[1:] for step in field.split(".")]
    return ".".join(SPELLING.get(step, step) for step in steps)


@cache
def records(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (CORPUS / name).read_text().splitlines()]


@needs_shared
@pytest.mark.parametrize(("name", "kops"), RECORDED)
def test_recorded_errors(name: str, kops: str) -> None:
    missed, invented, count = [], [], 0
    for record in records(name):
        errors = {
            written_spelling(error["field"])
            for error in record["errors"]  # type: ignore[attr-defined]
            if error["document"] == "Cluster"
        }
        findings = [
            finding
            for finding in lint_text(str(record["yaml"]), kops).findings
            if finding.rule in OWN and finding.severity == "error"
        ]
        concerning = {field for field in errors if CONCERNS.match(field)}
        count += len(concerning)
        missed += [(record["id"], field) for field in concerning - {finding.field for finding in findings}]
        if not record["errors"] and not record["decode_errors"]:
            invented += [(record["id"], repr(finding)) for finding in findings if finding.origin == "kops-written"]
    assert count > 50
    assert missed == []
    assert invented == []


@needs_shared
def test_no_error_on_specs_that_kops_accepts() -> None:
    wrong: list[tuple[str, str]] = []
    with (CORPUS / "specs.csv").open(newline="") as table:
        accepted = [row["file"] for row in csv.DictReader(table) if row["kops_master_verdict"] == "ok"]
    assert len(accepted) > 100
    for file in accepted:
        findings = lint_text((CORPUS / "specs" / file).read_text()).findings
        wrong += [(file, repr(each)) for each in findings if each.rule in OWN and each.severity == "error"]
    assert wrong == []
