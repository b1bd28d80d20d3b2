"""Random scenarios: every fault, every action of the operator, both protocols, times in half seconds."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

_ROLLING_KINDS = ("node_not_ready", "image_unpullable", "main_crash", "controllers_unschedulable")
_KINDS = (
    *_ROLLING_KINDS,
    "init_killed",
    "conversion_error",
    "needed_error",
    "store_fails",
    "complete_fails",
    "expected_image_mismatch",
    "job_unschedulable",
)
_PER_NODE = (
    "sandbox",
    "pull_upgrade",
    "pull_node",
    "pull_cni",
    "needed",
    "inprogress",
    "validate",
    "clear",
    "pause",
    "requery",
    "felix_ready",
    "felix_sync",
    "probe_offset",
    "kill",
)


def halves(low: float, high: float) -> st.SearchStrategy[float]:
    """Multiples of half a second."""
    return st.integers(int(low * 2), int(high * 2)).map(lambda half: half // 2 if half % 2 == 0 else half / 2)


times = st.one_of(halves(0, 60), halves(0, 400))


@st.composite
def _durations(draw: st.DrawFn) -> Json:
    names = draw(st.lists(st.sampled_from(_PER_NODE), max_size=4, unique=True))
    return {name: draw(st.sampled_from([0, 0, 0.5, 1, 3]) if name == "kill" else halves(0, 12)) for name in names}


@st.composite
def _timing(draw: st.DrawFn) -> Json:
    timing = draw(_durations())
    rare: dict[str, st.SearchStrategy[Any]] = {
        "failure_threshold": st.integers(1, 3),
        "readiness_period": halves(1, 12),
        "bird_threshold": halves(0, 40),
        "bgp_session": halves(0, 15),
        "felix_poll": halves(0.5, 3),
        "script_poll": halves(1, 7),
        "controllers_old_gone": halves(0, 40),
        "job_ready": halves(0, 60),
        "complete": halves(0.5, 3),
        "complete_retry": halves(0.5, 5),
        "complete_failed_run": halves(0, 40),
        "abort_failed_run": halves(0, 40),
        "startup_failed_run": halves(0, 30),
        "crash_reset": halves(0, 60),
        "crash_ladder": st.sampled_from([[0, 10, 20], [5], [0, 0, 30]]),
        "image_ladder": st.sampled_from([[10, 20, 40], [5], [0, 30]]),
        "job_backoff_limit": st.integers(1, 4),
        "services": halves(2, 6),
        "ensure_initialized": st.sampled_from([0.5, 1, 2]),
    }
    for name in draw(st.lists(st.sampled_from(sorted(rare)), max_size=4, unique=True)):
        timing[name] = draw(rare[name])
    if draw(st.integers(0, 9)) == 0:  # services with the container: the probe at its start can succeed
        timing |= {"services": 0, "ensure_initialized": 0}
    return timing


@st.composite
def _window(draw: st.DrawFn) -> Json:
    start = draw(st.one_of(st.just(0), times))
    until = draw(st.one_of(st.none(), times.map(lambda length: start + length)))
    return {key: value for key, value in (("from", start), ("until", until)) if value is not None}


@st.composite
def scenarios(draw: st.DrawFn, max_nodes: int = 4) -> Json:
    """A valid scenario as JSON data; its horizon is set."""
    count = draw(st.integers(1, max_nodes))
    nodes = [f"n{number + 1}" for number in range(count)]
    rolling = draw(st.integers(0, 3)) == 0
    fast = draw(st.booleans())
    cluster: Json = {
        "nodes": count,
        "max_unavailable": draw(st.one_of(st.integers(1, count), st.sampled_from(["1%", "34%", "50%", "100%"]))),
        "protocol": "v3-rolling" if rolling else "v2-to-v3",
        "objects": {"resources": 2, "ipam": 1} if fast else {"resources": 150, "ipam": 50},
    }
    if draw(st.booleans()):
        cluster["kubernetes"] = draw(st.sampled_from(["1.9.11", "1.10.5", "1.11.0", "1.20.15", "1.21.0", "1.28.0"]))
    if draw(st.booleans()):
        cluster["order"] = draw(st.permutations(nodes))[: draw(st.integers(0, count))]
    faults = [draw(_fault(nodes, rolling, fast)) for _ in range(draw(st.integers(0, 4)))]
    faults = [fault for fault in faults if fault["kind"] != "node_not_ready"]
    dead: dict[str, float] = {}
    for node in draw(st.lists(st.sampled_from(nodes), max_size=2, unique=True)):
        start = 0.0
        for _ in range(draw(st.integers(1, 2))):
            start += draw(st.one_of(st.just(0), times))
            until = draw(st.one_of(st.none(), times.map(lambda length, start=start: start + length)))
            faults.append({"kind": "node_not_ready", "node": node, "from": start, "until": until})
            if until is None:
                dead[node] = start
                break
            start = until
    actions = [draw(_action(nodes, rolling)) for _ in range(draw(st.integers(0, 3)))]
    for node, start in list(dead.items())[: count - 1]:
        if draw(st.booleans()):
            actions.append({"action": "delete_node", "node": node, "at": start + draw(times)})
    timing = draw(_timing()) | ({"store_rate": 2} if fast else {})
    per_node = {node: draw(_durations()) for node in draw(st.lists(st.sampled_from(nodes), max_size=2, unique=True))}
    return {
        "cluster": cluster,
        "timing": timing,
        "per_node": per_node,
        "faults": draw(st.permutations(faults)),
        "operator": actions,
        "probes": [],
        "horizon": draw(st.one_of(halves(300, 900), halves(300, 900), halves(0, 100))),
    }


@st.composite
def _fault(draw: st.DrawFn, nodes: list[str], rolling: bool, fast: bool) -> Json:
    kind = draw(st.sampled_from(_ROLLING_KINDS if rolling else _KINDS))
    fault: Json = {"kind": kind}
    if kind == "image_unpullable":
        fault["image"] = draw(
            st.sampled_from(["node", "cni", "controllers"] if rolling else ["upgrade", "node", "cni"])
        )
        if fault["image"] != "controllers" and draw(st.booleans()):
            fault["node"] = draw(st.sampled_from(nodes))
    elif kind in ("init_killed", "main_crash", "node_not_ready"):
        fault["node"] = draw(st.sampled_from(nodes))
    if kind == "init_killed":
        return fault | {"at": draw(halves(4, 60))}
    if kind == "expected_image_mismatch":
        return fault
    if kind.endswith("_unschedulable"):
        return fault | draw(st.one_of(st.just({}), times.map(lambda until: {"until": until})))
    if kind == "store_fails":
        fault["object"] = draw(st.integers(1, 3)) if fast else draw(st.sampled_from([50, 100, 200]))
        fault["abort_fails"] = draw(st.booleans())
    return fault | draw(_window())


@st.composite
def _action(draw: st.DrawFn, nodes: list[str], rolling: bool) -> Json:
    kinds = ["delete_pod"] if rolling else ["abort", "delete_v3_data", "complete", "delete_pod", "recreate_job"]
    action: Json = {"action": draw(st.sampled_from(kinds)), "at": draw(times)}
    if action["action"] == "delete_pod":
        action["node"] = draw(st.sampled_from(nodes))
    return action


@st.composite
def extended(draw: st.DrawFn, max_nodes: int = 3) -> Json:
    """A scenario with nodes that join, OnDelete or a rollback."""
    data = draw(scenarios(max_nodes))
    cluster = data["cluster"]
    data["joins"] = [{"node": 1, "at": draw(times)} for _ in range(draw(st.integers(0, 2)))]
    if cluster["protocol"] == "v3-rolling":
        return data
    if draw(st.integers(0, 2)) == 0:
        cluster["update_strategy"] = "OnDelete"
        names = [f"n{number + 1}" for number in range(cluster["nodes"])]
        data["operator"] += [{"action": "delete_pod", "node": name, "at": draw(times)} for name in names]
    if draw(st.booleans()):
        at = draw(times)
        late = ("delete_node", "delete_pod")
        before = [action for action in data["operator"] if action["at"] < at or action["action"] in late]
        data["operator"] = [*before, {"action": "roll_back", "at": at}]
    if data["joins"] and draw(st.booleans()):
        newcomer, at = f"n{cluster['nodes'] + 1}", data["joins"][0]["at"]
        start = at + draw(times)
        data["faults"].append({"kind": "node_not_ready", "node": newcomer, "from": start, "until": start + 20})
        data["per_node"][newcomer] = draw(_durations())
    return data
