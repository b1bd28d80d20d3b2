"""U001 to U006: what is reported, where, how severely, and what to do about it; and nothing on the real specs."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

import pytest

from calico_lint.finding import Finding
from calico_lint.kops.releases import Releases as ReleasesOf
from calico_lint.kops.releases import infer_releases, newest_of_minor, parse_release, parse_semver
from calico_lint.rules.fields import RULES, check_fields, field_bounds
from calico_lint.yaml_source import Document, Source
from tests.helpers import SHARED, needs_shared


def document(spec: str, kind: str = "Cluster", api: str = "kops.k8s.io/v1alpha2") -> Document:
    head = f"apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: a\nspec:\n"
    return Source("a.yaml", (head + textwrap.indent(spec, "  ")).encode()).documents[0]


def releases(text: str) -> ReleasesOf:
    """`1.30` is given; `1.19-1.21` is inferred."""
    first, _, last = text.partition("-")
    if not last:
        return parse_release(first)
    minors = range(int(first.removeprefix("1.")), int(last.removeprefix("1.")) + 1)
    return ReleasesOf(tuple(newest_of_minor(minor) for minor in minors), given=False)


def check(spec: str, kops: str, **head: str) -> list[Finding]:
    return list(check_fields(document(spec, **head), releases(kops)))


V3 = {"api": "kops.k8s.io/v1alpha3"}
IG = {"kind": "InstanceGroup"}
CALICO = "networking: {{calico: {{{}}}}}"

# spec, kOps, other arguments, rule, severity, field, what the message says
CASES: list[tuple[str, str, dict[str, str], str, str, str, str]] = [
    # unknown: what is meant instead
    (CALICO.format("bpfEnabld: true"), "1.30", {}, "U001", "error", "spec.networking.calico.bpfEnabld",
     "did you mean `bpfEnabled` (from kOps 1.19)?"),
    (CALICO.format("IPIPMode: Always"), "1.30", {}, "U001", "error", "spec.networking.calico.IPIPMode",
     "`IPIPMode` is spelt `ipipMode` (from kOps 1.15): kOps keys are case-sensitive since 1.11"),
    (CALICO.format("MTU: 1440"), "1.10-1.12", {"api": "kops/v1alpha2"}, "U002", "warning", "spec.networking.calico.MTU",
     "holds for kOps 1.11-1.12 of the possible 1.10-1.12"),
    (CALICO.format("ipip_mode: Always"), "1.30", {}, "U001", "error", "spec.networking.calico.ipip_mode",
     "did you mean `ipipMode`"),
    ("etcdClusters: [{etcdMembers: [{version: 3.1.11}]}]", "1.30", {}, "U001", "error",
     "spec.etcdClusters[0].etcdMembers[0].version", "it belongs at `spec.etcdClusters[0].version`"),
    ("minSize: 3", "1.30", {}, "U001", "error", "spec.minSize", "it is a field of the InstanceGroup"),
    ("kubernetesVersion: 1.30.0", "1.30", IG, "U001", "error", "spec.kubernetesVersion",
     "it is a field of the Cluster"),
    ("gceServiceAccount: x", "1.30", {}, "U001", "error", "spec.gceServiceAccount",
     "kOps has it at `spec.cloudConfig.gceServiceAccount`"),
    ("flavour: x", "1.30", {}, "U001", "error", "spec.flavour", "drops it without a word: remove it"),
    ("subnets: [{name: a, b.c: 1}]", "1.30", {}, "U001", "error", 'spec.subnets[0]["b.c"]', "remove it"),
    ("iam: {legac: true}", "1.30", {}, "U001", "error", "spec.iam.legac", "did you mean `legacy`?"),
    ("iam: {legacy: true, x: null}", "1.30", {}, "U001", "error", "spec.iam.x", "known here: `allowContainerRegistry`"),
    # the other API version
    ("networkCIDR: 10.0.0.0/8", "1.30", V3, "U001", "error", "spec.networkCIDR",
     "until kOps 1.25, other releases drop it without a word: v1alpha3 has it as `spec.networking.networkCIDR`"),
    ("kubernetesApiAccess: [0.0.0.0/0]", "1.30", V3, "U001", "error", "spec.kubernetesApiAccess",
     "`kubernetesAPIAccess` (until kOps 1.25)"),
    ("DisableSubnetTags: true", "1.30", V3, "U001", "error", "spec.DisableSubnetTags",
     "this is v1alpha2; v1alpha3 has it as `spec.networking.tagSubnets`, and means the opposite"),
    (CALICO.format("majorVersion: v3"), "1.30", V3, "U001", "error", "spec.networking.calico.majorVersion",
     "this is v1alpha2; v1alpha3 has no such field: remove it"),
    ("networking: {networkCIDR: 10.0.0.0/8}", "1.30", {}, "U001", "error", "spec.networking.networkCIDR",
     "this is v1alpha3; v1alpha2 has it as `spec.networkCIDR`"),
    ("networking: {tagSubnets: true}", "1.30", {}, "U001", "error", "spec.networking.tagSubnets",
     "v1alpha2 has it as `spec.DisableSubnetTags`, and means the opposite"),
    ("rootVolume: {size: 64}", "1.30", IG, "U001", "error", "spec.rootVolume", "`spec.rootVolumeSize`"),
    ("rootVolumeSize: 64", "1.30", V3 | IG, "U001", "error", "spec.rootVolumeSize",
     "v1alpha3 has it as `spec.rootVolume.size`"),
    # releases
    (CALICO.format("vxlanMode: Always"), "1.21", {}, "U001", "error", "spec.networking.calico.vxlanMode",
     "`vxlanMode` exists only from kOps 1.22, other releases drop it"),
    (CALICO.format("vxlanMode: Always"), "1.19-1.23", {}, "U002", "warning", "spec.networking.calico.vxlanMode",
     "holds for kOps 1.19-1.21 of the possible 1.19-1.23"),
    (CALICO.format("vxlanMode: Always"), "1.19-1.21", {}, "U001", "error", "spec.networking.calico.vxlanMode", "1.22"),
    ("kubeAPIServer: {targetRamMb: 500}", "1.30", {}, "U001", "error", "spec.kubeAPIServer.targetRamMb",
     "exists only from kOps 1.11 to 1.29"),
    ("kubeAPIServer: {authenticationTokenWebhook: true}", "1.30", {}, "U001", "error",
     "spec.kubeAPIServer.authenticationTokenWebhook", "exists only in kOps 1.9"),
    ("cloudConfig: {useIPBasedNodeNames: true}", "1.36", {}, "U002", "warning",
     "spec.cloudConfig.useIPBasedNodeNames", "exists only from kOps 1.37"),
    # types
    (CALICO.format('mtu: "1440"'), "1.30", {}, "U003", "error", "spec.networking.calico.mtu",
     '`"1440"` is text, but kOps takes a whole number of 32 bits for `mtu`: remove the quotes'),
    (CALICO.format("mtu: big"), "1.30", {}, "U003", "error", "spec.networking.calico.mtu", "`big` is text"),
    (CALICO.format('bpfEnabled: "true"'), "1.30", {}, "U003", "error", "spec.networking.calico.bpfEnabled",
     "write true or false, without quotes"),
    ("kubernetesVersion: 1.20", "1.20", {}, "U003", "error", "spec.kubernetesVersion",
     '`1.20` is a number, but kOps takes text for `kubernetesVersion`: write it in quotes, "1.20"'),
    ("updatePolicy: on", "1.20", {}, "U003", "error", "spec.updatePolicy", '`on` is a boolean'),
    ("sshAccess: 0.0.0.0/0", "1.30", {}, "U003", "error", "spec.sshAccess", "write a list, with `- ` before each item"),
    ("networking: [calico]", "1.30", {}, "U003", "error", "spec.networking",
     "`networking` is a list, but kOps takes a mapping for `networking`: remove the `- `"),
    ("networking: calico", "1.30", {}, "U003", "error", "spec.networking", "`calico` is text, but kOps takes a map"),
    ("networking: ''", "1.30", {}, "U003", "error", "spec.networking", "`networking` is text"),
    ("cloudLabels: {cost: 7}", "1.30", {}, "U003", "error", "spec.cloudLabels.cost", 'write it in quotes, "7"'),
    ("cloudProvider: {aws: {}}", "1.30", {}, "U003", "error", "spec.cloudProvider",
     "v1alpha3 takes a mapping here, but this is v1alpha2"),
    ("cloudProvider: aws", "1.30", V3, "U003", "error", "spec.cloudProvider",
     "v1alpha2 takes text here, but this is v1alpha3"),
    ("kubeProxy: {cpuRequest: 1}", "1.19-1.24", {}, "U003", "warning", "spec.kubeProxy.cpuRequest",
     "holds for kOps 1.19-1.22 of the possible 1.19-1.24"),
    # formats
    ("kubelet: {cpuCFSQuotaPeriod: 10}", "1.30", {}, "U003", "error", "spec.kubelet.cpuCFSQuotaPeriod", "such as 90s"),
    ("kubelet: {cpuCFSQuotaPeriod: '10'}", "1.30", {}, "U004", "error", "spec.kubelet.cpuCFSQuotaPeriod",
     "is not a duration with a unit, such as 90s or 1h30m: kOps cannot decode `cpuCFSQuotaPeriod`"),
    (CALICO.format("cpuRequest: 1 core"), "1.30", {}, "U004", "error", "spec.networking.calico.cpuRequest",
     "`1 core` is not a quantity such as 100m or 2Gi"),
    ("kubelet: {cpuCFSQuotaPeriod: ''}", "1.30", {}, "U004", "error", "spec.kubelet.cpuCFSQuotaPeriod",
     "kOps cannot decode"),
    (CALICO.format("mtu: 3000000000"), "1.30", {}, "U004", "error", "spec.networking.calico.mtu", "of 32 bits"),
    # words
    ("topology: {dns: {type: public}}", "1.30", {}, "U005", "error", "spec.topology.dns.type",
     "kOps does not accept `public` for `type`: it is spelt `Public`"),
    ("role: Worker", "1.30", IG, "U005", "error", "spec.role",
     "use `ControlPlane`, `Master`, `Node`, `Bastion`, `APIServer`"),
    ("role: ControlPlane", "1.25", IG, "U005", "error", "spec.role", "`Master`"),
    ("role: ControlPlane", "1.24-1.28", IG, "U005", "warning", "spec.role", "holds for kOps 1.24-1.25"),
    ("role: Master", "1.30", V3 | IG, "U005", "error", "spec.role", "`ControlPlane`"),
    (CALICO.format("encapsulationMode: none"), "1.22", {}, "U005", "error",
     "spec.networking.calico.encapsulationMode", "`ipip`, `vxlan`"),
    ("cloudProvider: metal", "1.36", {}, "U005", "error", "spec.cloudProvider", "`linode`"),
    # the document around the spec
    ("channel: stable", "1.14", {}, "U005", "error", "apiVersion",
     "this kOps does not read `kops.k8s.io/v1alpha2`: write `kops/v1alpha2`"),
    ("cloudProvider: {x: 1}", "1.22", V3, "U005", "error", "apiVersion",
     "write `kops/v1alpha2` or `kops.k8s.io/v1alpha2`"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "kops", "head", "rule", "severity", "field", "text"), CASES)
def test_finding(spec: str, kops: str, head: dict[str, str], rule: str, severity: str, field: str, text: str) -> None:
    (finding,) = check(spec, kops, **head)
    assert (finding.rule, finding.severity, finding.field) == (rule, severity, field)
    assert text in finding.message
    assert finding.origin == "schema"


@pytest.mark.parametrize(
    ("spec", "kops", "head"),
    [
        (CALICO.format("mtu: 1440, ipipMode: Always"), "1.30", {}),
        (CALICO.format("mtu: 1440.0"), "1.30", {}),  # encoding/json writes it as 1440
        (CALICO.format(""), "1.30", {}),
        ("networking: {calico: null}", "1.30", {}),
        ("networking:\nsubnets:\nkubernetesVersion:", "1.30", {}),  # null is "not set", whatever the type
        # kOps up to 1.10 takes keys in any case
        (CALICO.format("MTU: 1440, PROMETHEUSmetricsEnabled: true"), "1.10", {"api": "kops/v1alpha2"}),
        (CALICO.format("cpuRequest: 100m"), "1.30", {}),
        (CALICO.format("cpuRequest: 1"), "1.30", {}),
        ("rollingUpdate: {maxUnavailable: 1, maxSurge: 10%}", "1.30", {}),
        ("kubelet: {cpuCFSQuotaPeriod: 1m30s}", "1.30", {}),
        ("cloudLabels: {any.key/at-all: x}", "1.30", {}),
        ("kubeDNS: {tolerations: [{key: a, whatever: {b: 1}}]}", "1.36", {}),  # a type of Kubernetes: open
        ("gossipConfig: {secondary: {protocol: mesh, secondary: {protocol: x}}}", "1.17", {}),  # recursive then
        ("iam: {serviceAccountExternalPermissions: [{name: a, namespace: b, aws: {inlinePolicy: x}}]}", "1.21", {}),
        ("networking: {networkCIDR: 10.0.0.0/8, tagSubnets: true}\ncloudProvider: {aws: {}}", "1.30", V3),
        ("networkCIDR: 10.0.0.0/8", "1.24", V3),
        ("role: Master", "1.30", IG),
        ("role: ''", "1.30", IG),  # as good as missing: that is for the rules
    ],
)  # fmt: skip
def test_silent(spec: str, kops: str, head: dict[str, str]) -> None:
    assert check(spec, kops, **head) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata: {}\nspec: {}\n", ["metadata.name"]),
        ("metadata: {name: }\nspec: {}\n", ["metadata.name"]),
        ("metadata:\nspec: {}\n", ["metadata"]),
        ("spec: {}\n", ["metadata"]),
        ("metadata: {name: a}\n", ["spec"]),
        ("metadata: {name: a}\nspec:\n", ["spec"]),
    ],
)
def test_missing(text: str, expected: list[str]) -> None:
    source = Source("a.yaml", f"apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\n{text}".encode())
    findings = list(check_fields(source.documents[0], parse_release("1.30")))
    assert [(finding.rule, finding.severity) for finding in findings] == [("U006", "error")] * len(expected)
    assert [finding.field for finding in findings] == expected
    assert all("is missing" in finding.message for finding in findings)


@pytest.mark.parametrize(
    ("spec", "head", "expected"),
    [
        ("channel: stable", {}, (15, None)),
        ("channel: stable", {"api": "kops/v1alpha2"}, (None, None)),
        ("channel: stable", V3, (23, None)),
        ("networkCIDR: 10.0.0.0/8", V3, (23, 25)),
        (CALICO.format("vxlanMode: Always"), {}, (22, None)),
        (CALICO.format("encapsulationMode: none"), {}, (23, None)),
        (CALICO.format("majorVersion: v3"), {"api": "kops/v1alpha2"}, (11, None)),
        (CALICO.format("majorVersion: v2"), {"api": "kops/v1alpha2"}, (11, None)),
        (CALICO.format("nosuch: 1, vxlanMode: x"), {}, (22, None)),
        ("role: APIServer", IG, (21, None)),
        ("topology: {dns: {type: None}}", {}, (26, None)),  # before 1.19 nobody looked, but nobody wrote it either
        ("cloudConfig: {useIPBasedNodeNames: true}", {}, (36, None)),  # 1.37 counts as 1.36
        ("kubeAPIServer: {targetRamMb: 500}", {}, (15, 29)),
        ("anything: 1", {"kind": "SSHCredential"}, (None, None)),
        ("anything: 1", {"api": "kops.k8s.io/v1alpha1"}, (None, None)),
        ("anything: 1", {"api": "apps/v1alpha2"}, (None, None)),
    ],
)
def test_bounds(spec: str, head: dict[str, str], expected: tuple[int | None, int | None]) -> None:
    assert field_bounds(document(spec, **head)) == expected


def test_other_documents_are_left_alone() -> None:
    assert check("anything: 1", "1.30", kind="SSHCredential") == []
    assert check("anything: 1", "1.30", api="kops.k8s.io/v1alpha1") == []
    for text in ("[1, 2]", "just text", "kind: Cluster", "apiVersion: 1\nkind: 2"):
        (found,) = Source("a.yaml", text.encode()).documents
        assert list(check_fields(found, parse_release("1.30"))) == []
        assert field_bounds(found) == (None, None)


def test_the_key_is_underlined_for_a_field_and_the_value_for_a_value() -> None:
    unknown, value = check("networking:\n  calico:\n    mtuu: 1\n    mtu: big\n", "1.30")
    assert unknown.range.key() == (8, 7, 8, 11)
    assert value.range.key() == (9, 12, 9, 15)


def test_an_alias_is_reported_where_it_is_used_and_names_its_anchor() -> None:
    findings = check("kubelet: &k {maxPod: 1}\nmasterKubelet: *k\n", "1.30")
    assert [finding.field for finding in findings] == ["spec.kubelet.maxPod", "spec.masterKubelet.maxPod"]
    assert [len(finding.related) for finding in findings] == [0, 1]


def test_a_member_of_a_list_is_named_by_its_place() -> None:
    inner = document("nosuch: 1")
    inner.prefix = ("items", 3)
    (finding,) = check_fields(inner, parse_release("1.30"))
    assert finding.field == "items[3].spec.nosuch"


def test_one_finding_per_field() -> None:
    """A value that is wrong in several releases for different reasons is one finding that names them all."""
    (finding,) = check("role: Worker", "1.18-1.30", **IG)
    assert (finding.severity, finding.releases) == ("error", None)
    (finding,) = check("role: [Node]", "1.18-1.30", **IG)
    assert (finding.rule, finding.severity) == ("U003", "error")


def test_the_rules_are_listed() -> None:
    assert [rule.id for rule in RULES] == [f"U00{number}" for number in range(1, 7)]


# --- the real specs -------------------------------------------------------------------------------------

# Every key in 2,017 real specs that no kOps release has at its place. Each was looked up in the Go structs of
# kOps 1.8 to 1.36 and master: misspellings, wrong places, inventions; kOps' own test data has some too.
UNKNOWN_IN_CORPUS = {
    "kubeAPIServer", "metadata.spec", "spec.MaxPrice", "spec.additionalSecurityGroups", "spec.additionaluserdata",
    "spec.authorization.AlwaysAllow", "spec.cloudPRovider", "spec.dns", "spec.enableAWSOIDCProvider",
    "spec.etcdClusters[].manager.backupStore", "spec.etcdClusters[].members", "spec.etcdClusters[].type",
    "spec.etcdClusters[].volumeIops", "spec.etcdClusters[].volumeSize", "spec.etcdClusters[].volumeThroughput",
    "spec.externalLoadBalancers[].targetGroupARN", "spec.gceServiceAccount", "spec.iam.legacy",
    "spec.instanceMetadata", "spec.interruptionHandlerQueue", "spec.max", "spec.min", "spec.minPrice",
    "spec.networking.nonMasqueradeCIDR", "spec.nodePools", "spec.openstackServiceAccount", "spec.provider",
    "spec.region", "spec.roleCustomIamRoles", "spec.rootVolume", "spec.serviceOIDCProvider", "spec.ssh_public_key",
    "spec.sshpublickey", "spec.subnets[].availabilityZone", "spec.volumeSize", "spec.vpc",
}  # fmt: skip
# Values of the wrong type: `172.` for an address, a number for text, and the like.
ILL_TYPED_IN_CORPUS = {
    "spec.additionalPolicies", "spec.clusterAutoscaler.scaleDownUtilizationThreshold", "spec.kubernetesApiAccess[]",
    "spec.networkCIDR", "spec.sshAccess[]", "spec.topology.dns",
    # v1alpha3 of kOps' tests with a Kubernetes that only older releases of v1alpha3 take
    "spec.cloudProvider", "spec.configStore",
}  # fmt: skip


@needs_shared
def test_no_false_alarm_on_real_specs() -> None:
    found: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for path in sorted((SHARED / "corpus" / "specs").iterdir()):
        documents = Source(path.name, path.read_bytes()).documents
        bounds = [field_bounds(member) for member in documents]
        since = max((since for since, _ in bounds if since), default=None)
        until = min((until for _, until in bounds if until), default=None)
        versions = [_kubernetes(member) for member in documents if member.kind == "Cluster"]
        inferred = infer_releases(next(iter(versions), None), since, until)
        for member in documents:
            for finding in check_fields(member, inferred):
                counts[finding.rule] += 1
                if "exists only" not in finding.message:  # a field of another release is none of these
                    generic = "".join("[]" if c.isdigit() else c for c in str(finding.field)).replace("[[]]", "[]")
                    found.setdefault(finding.rule, set()).add(generic)
    assert found["U001"] | found["U002"] <= UNKNOWN_IN_CORPUS
    assert found["U003"] <= ILL_TYPED_IN_CORPUS
    assert "U004" not in found
    assert found["U005"] <= {"apiVersion", "spec.topology.dns.type", "spec.role"}
    assert found["U006"] <= {"metadata", "metadata.name", "spec"}
    assert sum(counts.values()) < 450


def _kubernetes(member: Document) -> Any:
    spec = member.get("spec")
    return parse_semver(spec.get("kubernetesVersion")) if isinstance(spec, dict) else None
