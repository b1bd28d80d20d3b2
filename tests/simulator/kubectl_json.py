"""kubectl's JSON for states of the upgrade: made by hand, or from how a simulated run ended."""

from __future__ import annotations

from typing import Any

from simulator.scenario import node_name
from simulator.trace import Trace

Json = dict[str, Any]

V2, V3 = "quay.io/calico/node:v2.6.12", "quay.io/calico/node:v3.7.4"
UPGRADE = "calico/upgrade:v1.0.5"
SINCE = "2019-05-07T01:12:30Z"

RUNNING: Json = {"running": {"startedAt": SINCE}}


def waiting(reason: str) -> Json:
    return {"waiting": {"reason": reason}}


def ended(code: int = 0, reason: str = "Completed") -> Json:
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": SINCE, "finishedAt": SINCE}}


def container(name: str, image: str, state: Json, ready: bool = False, restarts: int = 0) -> Json:
    return {"name": name, "image": image, "state": state, "ready": ready, "restartCount": restarts, "lastState": {}}


def pod(
    name: str,
    app: str,
    node: str | None,
    phase: str,
    *,
    inits: list[Json] | None = None,
    mains: list[Json] | None = None,
    images: dict[str, str],
    init_image: str | None = None,
    ready: bool = False,
    conditions: list[Json] | None = None,
    env: list[Json] | None = None,
    **metadata: Any,
) -> Json:
    """A Pod as kubectl prints it; `images` are the containers by name, `mains` and `inits` their statuses."""
    labels = {"role.kubernetes.io/networking": "1"}
    labels |= {"job-name": "calico-complete-upgrade-v331"} if app == "job" else {"k8s-app": app}
    spec: Json = {
        "containers": [{"name": key, "image": image, "env": env or []} for key, image in images.items()],
        "hostNetwork": True,
        "restartPolicy": "OnFailure" if app == "job" else "Always",
    }
    if init_image:
        spec["initContainers"] = [{"name": "migrate", "image": init_image, "command": ["/bin/sh", "-c", "/run.sh"]}]
    if node:
        spec["nodeName"] = node
    status: Json = {"phase": phase, "qosClass": "Burstable"}
    said = [{"type": "Ready", "status": str(ready), "lastTransitionTime": SINCE}]
    status["conditions"] = [*(said if inits or mains else ()), *(conditions or ())]
    if inits is not None:
        status["initContainerStatuses"] = inits
    if mains is not None:
        status["containerStatuses"] = mains
        status["startTime"] = SINCE
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "creationTimestamp": SINCE,
            "labels": labels,
            **metadata,
        },
        "spec": spec,
        "status": status,
    }


def old_node(name: str, node: str, ready: bool = True) -> Json:
    images = {"calico-node": V2, "install-cni": "quay.io/calico/cni:v1.11.8"}
    mains = [container(key, image, RUNNING, True) for key, image in images.items()]
    return pod(name, "calico-node", node, "Running", mains=mains, images=images, ready=ready)


def new_node(
    name: str,
    node: str | None,
    init: Json | None,
    main: Json | None = None,
    cni: Json | None = None,
    *,
    restarts: int = 0,
    ready: bool = False,
    **rest: Any,
) -> Json:
    """A v3 pod: `init`, `main` and `cni` are its containers' states; None: kubelet has not seen it."""
    images = {"calico-node": V3, "install-cni": "quay.io/calico/cni:v3.7.4"}
    if init is None:
        return pod(name, "calico-node", node, "Pending", images=images, init_image=UPGRADE, **rest)
    done = init.get("terminated", {}).get("exitCode") == 0
    inits = [container("migrate", UPGRADE, init, done, 0 if main else restarts)]
    idle = waiting("PodInitializing")
    mains = [
        container("calico-node", V3, main or idle, ready, restarts if main else 0),
        container("install-cni", images["install-cni"], cni or main or idle, "running" in (cni or main or idle)),
    ]
    phase = "Running" if "running" in (main or {}) else "Pending"
    return pod(
        name,
        "calico-node",
        node,
        phase,
        inits=inits,
        mains=mains,
        images=images,
        init_image=UPGRADE,
        ready=ready,
        **rest,
    )


def controllers(
    node: str | None, init: Json | None, main: Json | None = None, *, ready: bool = False, **rest: Any
) -> Json:
    name, image = "calico-kube-controllers-6f6f9d8c4d-x2x7p", "quay.io/calico/kube-controllers:v3.7.4"
    images = {"calico-kube-controllers": image}
    if init is None:
        refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        conditions = [refused] if node is None else []
        return pod(
            name,
            "calico-kube-controllers",
            node,
            "Pending",
            images=images,
            init_image=UPGRADE,
            conditions=conditions,
            **rest,
        )
    done = init.get("terminated", {}).get("exitCode") == 0
    inits = [container("migrate", UPGRADE, init, done)]
    mains = [container("calico-kube-controllers", image, main or waiting("PodInitializing"), ready)]
    phase = "Running" if "running" in (main or {}) else "Pending"
    return pod(
        name,
        "calico-kube-controllers",
        node,
        phase,
        inits=inits,
        mains=mains,
        images=images,
        init_image=UPGRADE,
        ready=ready,
        **rest,
    )


def job_pod(
    node: str | None, state: Json | None, *, restarts: int = 0, expects: str = V3, phase: str = "Running"
) -> Json:
    name, images = "calico-complete-upgrade-v331-7k2ts", {"migrate-completion": UPGRADE}
    env = [{"name": "EXPECTED_NODE_IMAGE", "value": expects}]
    if state is None:
        refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        return pod(name, "job", None, "Pending", images=images, env=env, conditions=[refused])
    ready = "running" in state
    mains = [container("migrate-completion", UPGRADE, state, ready, restarts)]
    return pod(name, "job", node, phase, mains=mains, images=images, env=env, ready=ready)


def job(*, done: bool = False, failed: bool = False, expects: str = V3) -> Json:
    env = [{"name": "EXPECTED_NODE_IMAGE", "value": expects}]
    template = {"spec": {"containers": [{"name": "migrate-completion", "image": UPGRADE, "env": env}]}}
    condition = {"type": "Complete" if done else "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    status: Json = {"startTime": SINCE, "conditions": [condition] if done or failed else []}
    status |= {"succeeded": 1} if done else {"failed": 1} if failed else {"active": 1}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "calico-complete-upgrade-v331", "namespace": "kube-system", "creationTimestamp": SINCE},
        "spec": {"backoffLimit": 6, "template": template},
        "status": status,
    }


def machine(name: str, ready: bool = True) -> Json:
    condition = {"type": "Ready", "status": "True" if ready else "Unknown", "lastTransitionTime": SINCE}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": [condition]}}


def listed(*items: Json) -> Json:
    return {"apiVersion": "v1", "kind": "List", "items": list(items), "metadata": {"resourceVersion": ""}}


# --- from a run ---------------------------------------------------------------------------------------------------

_BACK_OFF = waiting("CrashLoopBackOff")
_PULL = waiting("ImagePullBackOff")


def at_the_end(trace: Trace) -> Json:
    """What kubectl would print when the run ended, by what each actor did last."""
    items = [_node_pod(trace, index) for index in trace.existing]
    items += [found for found in (_controllers_pod(trace), *_job_objects(trace)) if found]
    down = [name for name in map(node_name, trace.existing) if _is_down(trace, name)]
    items += [machine(node_name(index), node_name(index) not in down) for index in trace.existing]
    return listed(*items)


def flags_at_the_end(trace: Trace) -> Json:
    """The flags as one would read them then."""
    ending = trace.ending
    version = "v2.6.12" if trace.version is None else "v3.7.4"
    faults = [fault for fault in trace.scenario.faults if fault.active(trace.end)]
    logs = {"needed_error": "needed", "conversion_error": "conversion", "store_fails": "store"}
    log = next((logs[fault.kind] for fault in faults if fault.kind in logs), None)
    if log is None and not ending.migrating:
        log = "not-clean" if ending.v1_ready and not ending.v3_empty else None if ending.v1_ready else "waiting"
    return {
        "v1_ready": ending.v1_ready,
        "calico_version": None if log == "needed" else version,
        "datastore_ready": trace.complete is not None,
        "v3_keys": 0 if ending.v3_empty else 200,
        "init_log": log if trace.version is None else None,
    }


def _did(trace: Trace, actors: tuple[str, ...], node: str | None = None) -> list[str]:
    return [event.event for event in trace.events if event.actor in actors and event.node == node]


def _is_down(trace: Trace, node: str) -> bool:
    said = [event for event in _did(trace, ("node",), node) if event in ("not_ready", "returned")]
    return bool(said) and said[-1] == "not_ready"


def _last(did: list[str], *events: str) -> str:
    return next((event for event in reversed(did) if event in events), "")


def _node_pod(trace: Trace, index: int) -> Json:
    node = node_name(index)
    name = f"calico-node-{node}"
    actors = ("daemonset", "kubelet", "init", "calico-node", "install-cni", "node")
    did = _did(trace, actors, node)
    if "pod_deleted" not in did:
        return old_node(name, node)
    if _is_down(trace, node):
        return new_node(name, node, None)
    since = max(place for place, event in enumerate(did) if event in ("pod_deleted", "returned"))
    did = did[since:]
    restarts = sum(event in ("init_failed", "init_killed", "main_crashed") for event in did)
    pulls = {image: _last(did, f"pull_{image}_failed", f"pull_{image}_done") for image in ("upgrade", "node", "cni")}
    if pulls["upgrade"].endswith("failed"):
        return new_node(name, node, _PULL)
    if "init_done" not in did:
        states = {"init_started": RUNNING, "init_failed": _BACK_OFF, "init_killed": _BACK_OFF}
        return new_node(name, node, states.get(_last(did, *states), waiting("PodInitializing")), restarts=restarts)
    cni = _PULL if pulls["cni"].endswith("failed") else RUNNING
    main = RUNNING
    if pulls["node"].endswith("failed"):
        main = _PULL
    elif _last(did, "main_started", "main_crashed", "services_up") == "main_crashed":
        main = _BACK_OFF
    ready = _last(did, "pod_ready", "pod_unready") == "pod_ready"
    return new_node(name, node, ended(), main, cni, restarts=restarts, ready=ready)


def _controllers_pod(trace: Trace) -> Json | None:
    did = _did(trace, ("controllers",))
    if "old_gone" not in did:
        return None
    if "sandbox_started" not in did:
        return controllers(None, None)
    if _last(did, "pull_upgrade_failed", "pull_upgrade_done").endswith("failed"):
        return controllers("master-1", _PULL)
    if "init_done" not in did:
        return controllers("master-1", _BACK_OFF if did[-1] == "init_failed" else RUNNING)
    if _last(did, "pull_controllers_failed", "pull_controllers_done").endswith("failed"):
        return controllers("master-1", ended(), _PULL)
    return controllers("master-1", ended(), RUNNING, ready="controllers_sync" in did)


def _job_objects(trace: Trace) -> list[Json]:
    did = _did(trace, ("job",))
    expects = "quay.io/calico/node:v3.1.1" if trace.ending.image_mismatch else V3
    if "pod_created" not in did:
        return [job_pod(None, None), job(expects=expects)]
    if "job_failed" in did:
        return [job(failed=True, expects=expects)]
    if trace.complete is not None:
        return [job_pod("worker-1", ended(), phase="Succeeded"), job(done=True)]
    if _last(did, "pull_upgrade_failed", "pull_upgrade_done").endswith("failed"):
        return [job_pod("worker-1", _PULL, phase="Pending"), job(expects=expects)]
    state = _BACK_OFF if did[-1] == "complete_failed" else RUNNING
    return [job_pod("worker-1", state, restarts=trace.job_restarts, expects=expects), job(expects=expects)]
