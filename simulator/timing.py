"""The names of all durations, their golden values and what they measure.

This is the one table of timing names. It holds the *golden profile* only: fixed, round numbers for
scenarios that are checked by hand. What these durations are in a real cluster is another question.

Inside the simulator a second is 1 000 000 ticks of an integer clock, so every value of unit ``s`` (and
``objects/s``, ``calls/s``) is stored as an integer times `MICRO`; counts (``probes``, ``restarts``) are stored as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

MICRO: Final = 1_000_000
"""Microseconds in a second: the resolution of the simulator's clock."""


def seconds(micros: int) -> int | float:
    """Microseconds as seconds: a whole number if it is one."""
    whole, rest = divmod(micros, MICRO)
    return whole if rest == 0 else micros / MICRO


def written(micros: float | None) -> int | float | None:
    """Microseconds as the seconds of a result: a whole number if it is one, else up to 3 decimals."""
    if micros is None:
        return None
    milli = round(round(micros), -3) // 1000
    return milli // 1000 if milli % 1000 == 0 else milli / 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """One timing name: golden value, unit (``s``, ``objects/s``, ``calls/s``, or what is counted) and meaning.

    `positive` marks values that must be above zero, because a loop waits that long between two turns.
    A tuple is a ladder: the waits of a back-off, of which the last repeats.
    """

    golden: float | tuple[float, ...]
    unit: str
    meaning: str
    positive: bool = False

    @property
    def scaled(self) -> bool:
        """Whether it is stored in millionths; counts are not."""
        return self.unit in ("s", "objects/s", "calls/s")


class NodeTiming(NamedTuple):
    """The durations that may differ from node to node, as integers (see the module's text)."""

    kill: int
    sandbox: int
    pull_upgrade: int
    pull_node: int
    pull_cni: int
    needed: int
    inprogress: int
    validate: int
    clear: int
    pause: int
    requery: int
    store_rate: int
    ensure_initialized: int
    services: int
    upgrade_ipam: int
    install_cni: int
    ebpf_bootstrap: int
    felix_ready: int
    felix_sync: int
    readiness_period: int
    probe_offset: int


PER_NODE: Final[tuple[str, ...]] = NodeTiming._fields
"""Names allowed in ``per_node``, and the stages a driver may draw for each node."""

TIMINGS: Final[dict[str, Timing]] = {
    "kill": Timing(0, "s", "from the deletion of a pod in the API until its containers are dead"),
    "sandbox": Timing(1, "s", "kubelet makes the pod's sandbox"),
    "pull_upgrade": Timing(4, "s", "pull of the calico-upgrade image (init container, controllers' init, Job)"),
    "pull_node": Timing(8, "s", "pull of the calico-node image"),
    "pull_cni": Timing(6, "s", "pull of the CNI plugin's image"),
    "needed": Timing(0, "s", "one run of `calico-upgrade needed`"),
    "inprogress": Timing(0, "s", "one run of `calico-upgrade inprogress`"),
    "validate": Timing(2, "s", "`start`: from its first step until conversion and clean v3 store are checked"),
    "clear": Timing(0, "s", "`start`: from reading the v1 Ready flag until it is false"),
    "pause": Timing(15, "s", "`start`: wait for all v2 components to stop writing"),
    "requery": Timing(1, "s", "`start`: read and convert the v1 data again"),
    "store_rate": Timing(100, "objects/s", "`start`: writes into the v3 store", positive=True),
    "ensure_initialized": Timing(2, "s", "calico-node's start until it writes CalicoVersion"),
    "services": Timing(3, "s", "calico-node's start until Felix and BIRD run"),
    "upgrade_ipam": Timing(1, "s", "v3-rolling: init container upgrade-ipam"),
    "install_cni": Timing(1, "s", "v3-rolling: init container install-cni"),
    "ebpf_bootstrap": Timing(1, "s", "v3-rolling: init container ebpf-bootstrap"),
    "felix_ready": Timing(1, "s", "services up until a Felix that waits for the datastore reports ready"),
    "felix_sync": Timing(3, "s", "Felix sees an open datastore until it is in sync"),
    "readiness_period": Timing(10, "s", "distance of readiness probes", positive=True),
    "probe_offset": Timing(0, "s", "kubelet sees the pod until the first readiness probe"),
    "failure_threshold": Timing(3, "probes", "failed probes in a row that make a pod unready", positive=True),
    "bird_threshold": Timing(30, "s", "age of the services from which one established peer is enough"),
    "bgp_session": Timing(5, "s", "both BIRDs up until their session is Established"),
    "felix_poll": Timing(1, "s", "distance of Felix's looks at datastoreReady", positive=True),
    "script_poll": Timing(5, "s", "sleep in the init containers' scripts", positive=True),
    "controllers_old_gone": Timing(1, "s", "until the old kube-controllers pod is gone"),
    "pull_controllers": Timing(3, "s", "pull of the kube-controllers image"),
    "controllers_sync": Timing(2, "s", "kube-controllers' start until all policies and profiles are written"),
    "job_ready": Timing(5, "s", "Job pod created until its script runs, the image pull included"),
    "complete": Timing(1, "s", "a try of `calico-upgrade complete` that succeeds"),
    "complete_retry": Timing(1, "s", "distance of the tries of `complete`", positive=True),
    "complete_failed_run": Timing(30, "s", "a run of `complete` of which all tries fail"),
    "abort_failed_run": Timing(30, "s", "an abort by `start` itself that fails"),
    "startup_failed_run": Timing(1, "s", "calico-node's start until it crashes"),
    "crash_ladder": Timing((0, 10, 20, 40, 80, 160, 300), "s", "end of a failed container until its restart"),
    "crash_reset": Timing(600, "s", "a run longer than this starts the crash ladder anew"),
    "image_ladder": Timing((10, 20, 40, 80, 160, 300), "s", "failed pull until the next attempt"),
    "job_backoff_limit": Timing(6, "restarts", "restart at which the Job is Failed"),
    "sandbox_retry": Timing(10, "s", "kubelet's attempts to start a new pod on a node", positive=True),
    # Extensions, all 0 in the golden profile.
    "controller_reaction": Timing(0, "s", "the DaemonSet controller sees a change until it reacts"),
    "scheduler_latency": Timing(0, "s", "replacement pod created until kubelet sees it"),
    "channels_delay": Timing(0, "s", "kops update until a master applies the manifests (before the run's zero)"),
    "apply": Timing(0, "s", "duration of that apply (before the run's zero)"),
    "slow_start": Timing(0, "s", "a batch of creations by the DaemonSet controller; the next batch waits for it"),
    "api_qps": Timing(0, "calls/s", "calls that the DaemonSet controller's client may make; 0: any number"),
    "api_burst": Timing(0, "calls", "calls that this client may save up"),
}
"""Every timing name, in the order of the documentation."""
