"""A recorded rollout as kubectl's watch stream: every change of a pod as the object that kubectl would print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.simulator.kubectl_json import RUNNING, controllers, ended, job_pod, new_node, old_node, waiting

Json = dict[str, Any]

ZERO = datetime(2019, 5, 7, 1, 12, 30, tzinfo=UTC)
_FIRST_INIT = 0.5  # seconds from a pod's binding until its init container runs, where the recording does not say


def stamp(seconds: float) -> str:
    """Seconds after zero as Kubernetes writes them: whole seconds, UTC."""
    return (ZERO + timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%SZ")


def stream(path: Path) -> Iterator[tuple[float, Json]]:
    """(seconds after zero, object) in the order in which kubectl would print them."""
    recording = json.loads(path.read_text())
    draws = recording["draws"]
    pods: dict[str, Json] = {}
    made: dict[str, float] = {}
    names: dict[str, str] = {}

    def seen(node: str, at: float, **parts: Any) -> Json:
        item = new_node(names[node], node, **parts)
        return _stamped(item, made[node], at)

    for node in sorted(draws):
        gone = node in recording["not_ready"]
        pods[node] = _stamped(old_node(f"calico-node-old-{node}", node, ready=not gone), -86400.0, -86000.0)
        yield 0.0, deepcopy(pods[node])
    for event in sorted(_with_starts(recording), key=lambda event: event["t"]):
        at, name, node, app = event["t"], event["event"], event.get("node"), event.get("app", "calico-node")
        if app == "calico-node" and node is not None:
            if name == "pod_terminating":
                pods[node]["metadata"]["deletionTimestamp"] = stamp(at)
                yield at, deepcopy(pods[node])
            elif name == "pod_bound":
                names[node], made[node] = event["pod"], at
                yield at, seen(node, at, init=None)
            elif name == "init_started":
                yield at, seen(node, at, init=RUNNING)
            elif name == "init_failed":
                yield at, seen(node, at, init=RUNNING, restarts=1)
            elif name == "init_done":
                yield at, seen(node, at, init=ended(), main=waiting("PodInitializing"))
            elif name == "main_started":
                yield at, seen(node, at, init=ended(), main=RUNNING)
            elif name == "node_ready":
                yield at, seen(node, at, init=ended(), main=RUNNING, ready=True)
        elif app == "kube-controllers" and name == "pod_bound" and event["rev"] == "v3":
            yield at, _stamped(controllers(node, RUNNING), at, at)
        elif app == "complete" and name == "pod_bound":
            yield at, _stamped(job_pod(node, RUNNING), at, at)
        if name == "controllers_ready":
            yield at, _stamped(controllers("n0000", ended(), RUNNING, ready=True), at, at)
        elif name == "datastore_unlocked":
            yield at, _stamped(job_pod("n0000", ended(), phase="Succeeded"), at, at)


def _with_starts(recording: Json) -> list[Json]:
    """The events, and the start of every init container, which is a draw and no event."""
    found = list(recording["events"])
    for event in recording["events"]:
        node = event.get("node")
        if (event["event"], event.get("app")) == ("pod_bound", "calico-node") and node not in recording["not_ready"]:
            delay = recording["draws"][node].get("pull_init", _FIRST_INIT)
            found.append({"t": event["t"] + delay, "event": "init_started", "node": node, "app": "calico-node"})
    return found


def _stamped(item: Json, made: float, at: float) -> Json:
    """The object with its own instants in place of the one that all fixtures share."""
    item = deepcopy(item)
    item["metadata"]["creationTimestamp"] = stamp(made)
    for condition in item["status"].get("conditions", []):
        condition["lastTransitionTime"] = stamp(at)
    for key in ("initContainerStatuses", "containerStatuses"):
        for status in item["status"].get(key, []):
            for state in status["state"].values():
                state.update({name: stamp(at) for name in ("startedAt", "finishedAt") if name in state})
    return item


def printed(item: Json) -> str:
    """An object as kubectl prints it."""
    return json.dumps(item, indent=4) + "\n"
