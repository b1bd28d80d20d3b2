"""What those are told who ask of Calico, and whose cluster runs another network.

Canal: `networking.projectcalico.org.canal/k8s-1.12.yaml.template@release-1.11` to `k8s-1.25…@release-1.33` (its
datastore, RollingUpdate with maxUnavailable 1) and rules KC131-KC133; `cni` and `external`: kOps applies no manifest.
"""

from __future__ import annotations

_MOVE = "going over to Calico is a change of the network, not an upgrade: calico-lint --from says what it takes (P711)"
_TOLD = {
    "canal": (
        "canal is flannel's network with Calico's policies, and keeps its data in the Kubernetes API from the start: "
        "`majorVersion: v3`, etcd's version and the migration do not concern it, and pods start all the time. kOps "
        "rolls its DaemonSet one node at a time: kubectl -n kube-system rollout status daemonset/canal. It goes with "
        "Kubernetes 1.28, and with kOps 1.34 (KC133); calico-lint checks its settings (KC131, KC132, X895)"
    ),
    "flannel": f"flannel enforces no NetworkPolicy, and nothing of Calico runs here; {_MOVE}",
    "cni": (
        "kOps installs no network here, somebody else does: if that is Calico (kubectl get daemonsets --all-namespaces "
        "| grep calico), its version, its data and its upgrade are theirs, and not in this spec"
    ),
}
_TOLD["external"] = _TOLD["cni"]


def what_applies(cni: str | None) -> str:
    """A sentence without its full stop: what is true of a cluster whose networking option is `cni`, not Calico."""
    if cni is None:
        return "spec.networking decides: write the option that the cluster runs, for example `networking: {calico: {}}`"
    return _TOLD.get(cni, f"nothing of Calico runs here; {_MOVE}")
