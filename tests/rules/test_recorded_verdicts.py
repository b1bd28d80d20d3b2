"""What kOps itself said of specs, recorded, against what the rules say."""

from __future__ import annotations

import csv
import json
import re
from functools import cache

import pytest

from tests.helpers import SHARED, lint_text, needs_shared

CORPUS = SHARED / "corpus"
RECORDED = [
    ("mutated-1.12.jsonl", "1.12"),
    ("mutated-1.19.jsonl", "1.19"),
    ("mutated-1.24.jsonl", "1.24"),
    ("mutated-1.28.jsonl", "1.28"),
    ("mutated.jsonl", "1.36"),
]
# kOps names fields by its structs: upper case in 1.12, v1alpha3's spelling from 1.26 on.
SPELLING = {
    "amazonVPC": "amazonvpc", "kubeRouter": "kuberouter", "gcp": "gce", "MajorVersion": "majorVersion",
    "EnableEtcdTLS": "enableEtcdTLS", "CIDR": "cidr", "controlPlaneKubelet": "masterKubelet",
}  # fmt: skip
ADDRESSES = "networkCIDR|additionalNetworkCIDRs|nonMasqueradeCIDR|podCIDR|serviceClusterIPRange|subnets"
OPTIONS = "calico|canal|cilium|cni|kubenet|flannel|weave|amazonvpc"
CONCERNS = re.compile(
    rf"spec\.(networking\.({OPTIONS})|etcdClusters|kubernetesVersion|kubeProxy|{ADDRESSES}"
    r"|(kubelet|masterKubelet)\.nonMasqueradeCIDR|kubeAPIServer\.serviceClusterIPRange"
    r"|kubeControllerManager\.clusterCIDR)\b"
)


def written_spelling(field: str) -> str:
    """The field as the v1alpha2 file spells it."""
    if field == "spec.etcdClusters[0].backupStore":
        return "spec.etcdClusters[1].name"  # said of the first cluster, caused by the name of the second
    field = re.sub(rf"^spec\.networking\.({ADDRESSES})\b", r"spec.\1", field)  # moved in 1.26
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
        findings = [finding for finding in lint_text(str(record["yaml"]), kops).findings if finding.severity == "error"]
        concerning = {field for field in errors if CONCERNS.match(field)}
        count += len(concerning)
        missed += [(record["id"], field) for field in concerning - {finding.field for finding in findings}]
        if not record["errors"] and not record["decode_errors"]:
            invented += [(record["id"], repr(finding)) for finding in findings if finding.origin == "kops-written"]
    assert count > 100
    assert missed == []
    assert invented == []


# Errors on specs that kOps takes, and why they are errors all the same.
JUSTIFIED = {
    "U001": "kOps drops what it does not know without a word: only `kops edit` would say so",
    "Y002": "of two equal keys kOps drops the first without a word",
}


@needs_shared
def test_no_error_on_specs_that_kops_accepts() -> None:
    wrong: list[tuple[str, str]] = []
    with (CORPUS / "specs.csv").open(newline="") as table:
        accepted = [row["file"] for row in csv.DictReader(table) if row["kops_master_verdict"] == "ok"]
    assert len(accepted) > 100
    for file in accepted:
        findings = lint_text((CORPUS / "specs" / file).read_text()).findings
        wrong += [(file, repr(each)) for each in findings if each.severity == "error" and each.rule not in JUSTIFIED]
    assert wrong == []
