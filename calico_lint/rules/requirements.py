"""What the upgrade to Calico v3 asks of a spec (S): read from one spec, with or without the release.

The requirements are those of kOps' own page (`docs/calico-v3.md@release-1.13`, in 1.11 to 1.17). S1, S2 and S6 are
conditions of KC102, KV304 and S6 in `upgrade.py`; S7 asks for nothing that S1 and S3 do not.
"""

from __future__ import annotations

from calico_lint.kops.calico import ETCD_V2, ETCD_V3
from calico_lint.kops.releases import Version
from calico_lint.rules.core import Hit, rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from calico_lint.cluster import Cluster
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Node


@rule("S3", "v3-major-version-set", severity="info", origin="calico", since="1.11", changes=("1.12", "1.20"))
def major_version_set(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """What `networking.calico.majorVersion` decides in this release.

    With kOps 1.11 to 1.19 and Kubernetes before 1.12, `majorVersion: v3` decides between Calico v2 and v3.
    Leaving it out is no error, a cluster on etcd v2 has to stay on Calico v2; but it should be a choice. From
    Kubernetes 1.12 on (with kOps 1.12 or later) Calico v3 on the Kubernetes datastore is installed either way,
    and since kOps 1.20 nothing reads the key any more.

    Bad (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        networking: {calico: {}}
    Bad (kOps 1.24.5):
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.24.5):
        networking: {calico: {}}
    Fix: for a new cluster before Kubernetes 1.12 set `majorVersion: v3` and an etcd version 3.x; from kOps 1.20
        on remove the key.
    Source: BCB@1.11:642-712, BCB@1.12:806-892; commit a999ac2d94 of kubernetes/kops (1.20);
        docs/calico-v3.md@release-1.13.
    """
    node = cluster.at("networking.calico.majorVersion")
    if node is None:
        manifest = cluster.manifest(release)
        if manifest is not None and manifest.datastore == ETCD_V2 and cluster.calico is not None:
            yield Hit(
                cluster.calico,
                f"without `majorVersion: v3` this kOps installs Calico v{manifest.calico} on the etcd v2 API",
                missing="majorVersion",
            )
    elif release.minor >= 20:
        yield Hit(node, "`majorVersion` has had no effect since kOps 1.20: remove it", on_key=True, severity="warning")
    elif release.minor >= 12 and cluster.kubernetes is not None and cluster.kubernetes >= Version(1, 12):
        yield Hit(
            node,
            "`majorVersion` is ignored from Kubernetes 1.12 on: Calico v3 on the Kubernetes datastore is "
            "installed either way",
            on_key=True,
        )


@rule("S5", "kops-new-enough-for-v3", severity="error", origin="calico", until="1.10",
      on="networking.calico.majorVersion")  # fmt: skip
def kops_new_enough(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """This kOps is too old for Calico v3.

    `majorVersion` came with kOps 1.11.0. An older kOps drops the key without a word and installs Calico v2.

    Bad (kOps 1.10.1):
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.11.1):
        kubernetesVersion: 1.10.13
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Fix: upgrade kOps to 1.11.0 or later. To migrate a running cluster use 1.11.0 to 1.14.1 (S9).
    Source: N2@1.11:92, first in tag 1.11.0-beta.1.
    """
    yield Hit(
        node,
        f"kOps {release} does not know `majorVersion` and would silently install Calico v2: "
        "use kOps 1.11.0 to 1.14.1 for Calico v3",
        on_key=True,
    )


@rule("S9", "completion-job-never-ends", severity="error/warning", origin="calico", since="1.11", until="1.19",
      on="networking.calico.majorVersion", changes="every")  # fmt: skip
def completion_job_never_ends(cluster: Cluster, release: Version, node: Node) -> Iterator[Hit]:
    """With this kOps a migration from Calico v2 never ends.

    In kOps 1.15 to 1.19 the Job that ends the migration waits for `calico/node:v3.7.4`, while the DaemonSet
    runs `calico/node:v3.8.0` (1.11.0-beta.1: v3.1.1 and v3.3.1). It waits for ever; until somebody completes the
    upgrade by hand, no pod gets a network and no policy changes. A cluster that runs Calico v3 already is not
    concerned: give its present spec with `--from`, and this rule is silent.

    Bad (kOps 1.16.4):
        kubernetesVersion: 1.11.10
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Good (kOps 1.14.1):
        kubernetesVersion: 1.11.10
        etcdClusters:
        - {name: main, version: 3.2.24, etcdMembers: [{name: a, instanceGroup: cp-a}]}
        networking: {calico: {majorVersion: v3}}
    Fix: migrate with kOps 1.11.0 to 1.14.1. If it has already begun: when every calico-node pod runs the v3
        image, run `calico-upgrade complete --no-prompts`.
    Source: k8s-1.7-v3.yaml.template:195 against :600 at every stable tag from 1.15.0 to 1.19.3;
        completion-job.sh:28,44-47 of calico-upgrade v1.0.5; kubernetes/kops#6261.
    """
    manifest = cluster.manifest(release)
    if manifest is None or manifest.datastore != ETCD_V3 or manifest.job_completes:
        return
    if cluster.old is not None and cluster.old.major_version_v3:
        return
    yield Hit(
        node,
        "the migration from Calico v2 never ends with this kOps: its completion Job waits for another image than "
        f"the calico/node v{manifest.calico} that it deploys; migrate with kOps 1.11.0 to 1.14.1",
    )


@rule("S13", "one-pod-at-a-time", severity="warning", origin="calico", until="1.8")
def one_pod_at_a_time(cluster: Cluster, release: Version) -> Iterator[Hit]:
    """The calico-node DaemonSet of this kOps does not roll by itself.

    Up to kOps 1.8 the manifest has no update strategy. An update then reaches a node only when somebody
    deletes its calico-node pod: a cluster that was updated may still run the Calico of before.

    Bad (kOps 1.8.1):
        networking: {calico: {}}
    Good (kOps 1.9.2):
        networking: {calico: {}}
    Fix: update with kOps 1.9 or later, which rolls one pod at a time; or delete the pods one by one.
    Source: commit e9ef618b14 of kubernetes/kops, T(k8s-1.7)@1.9:126-129.
    """
    calico = cluster.calico
    if calico is not None and calico.value is not None:
        yield Hit(calico, f"kOps {release} does not roll calico-node: pods keep the old Calico until deleted by hand")


RULES: list[Rule] = [major_version_set, kops_new_enough, completion_job_never_ends, one_pod_at_a_time]
