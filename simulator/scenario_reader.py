"""Reading a scenario: every key checked, every mistake named with its place, the reason and what to do."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from simulator.extension_reader import (
    KEYS,
    check_joins,
    check_roll_back,
    read_arrivals,
    read_extensions,
    read_joins,
    read_strategy,
    read_typha,
)
from simulator.reading import Table, boolean, kind_of, micros, node_index, one_of, text, whole
from simulator.scenario import (
    DEFAULT_HORIZON,
    V2_TO_V3,
    V3_ROLLING,
    Action,
    Cluster,
    Fault,
    Probe,
    Scenario,
    ScenarioError,
    check_range,
    check_services,
    node_name,
    parse_version,
    unknown,
)
from simulator.timing import PER_NODE, TIMINGS

_PROTOCOLS: Final = {V2_TO_V3: "1.10.0", V3_ROLLING: "1.28.0"}  # each with its usual Kubernetes
_MAX_NODES: Final = 100_000

_IMAGES: Final = ("upgrade", "node", "cni", "controllers")
_SOURCES: Final = ("kubernetes", "calicoctl_v1", "calicoctl_v3")

_Kinds = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""kind -> (required keys, optional keys)"""

_FAULTS: Final[_Kinds] = {
    "init_killed": (("node", "at"), ()),
    "node_not_ready": (("node",), ("from", "until")),
    "image_unpullable": (("image",), ("node", "from", "until")),
    "conversion_error": ((), ("from", "until")),
    "needed_error": ((), ("from", "until")),
    "store_fails": (("object",), ("abort_fails", "from", "until")),
    "main_crash": (("node",), ("from", "until")),
    "complete_fails": ((), ("from", "until")),
    "expected_image_mismatch": ((), ()),
    "job_unschedulable": ((), ("until",)),
    "controllers_unschedulable": ((), ("until",)),
}
_ROLLING_FAULTS: Final = ("node_not_ready", "image_unpullable", "main_crash", "controllers_unschedulable")
_ACTIONS: Final[_Kinds] = {
    "abort": (("at",), ()),
    "delete_v3_data": (("at",), ()),
    "complete": (("at",), ()),
    "delete_node": (("node", "at"), ()),
    "delete_pod": (("node", "at"), ()),
    "recreate_job": (("at",), ()),
    "roll_back": (("at",), ()),  # an extension
}
_ROLLING_ACTIONS: Final = ("delete_node", "delete_pod")
_PROBES: Final[_Kinds] = {
    "pod_start": (("node", "at"), ()),
    "policy": (("source", "at"), ()),
}


def read_dict(data: object) -> Scenario:
    """A scenario from JSON data: bare, or as ``{"scenario": …, "expected": …}``; errors are `ScenarioError`."""
    prefix = ""
    if isinstance(data, Mapping) and "scenario" in data:
        wrapper = Table(data, "")
        wrapper.known("scenario", "expected")
        data, prefix = data["scenario"], "scenario"
    return _parse(Table(data, prefix))


def read_toml(text: str) -> Scenario:
    """A scenario from TOML text; errors are `ScenarioError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError("", f"this is not TOML: {error}", "correct the text there") from None
    except RecursionError:
        raise ScenarioError("", "the TOML is nested too deeply", "a scenario has four levels") from None
    except ValueError as error:  # a number with thousands of digits
        raise ScenarioError("", str(error), "use a number of seconds") from None
    return read_dict(data)


def _kubernetes(value: object, place: str) -> str:
    version = text(value, place)
    try:
        parse_version(version)
    except ValueError:
        raise ScenarioError(place, f"{version!r} is no version", 'write it as "1.10.5"') from None
    return version


def _max_unavailable(value: object, place: str) -> int | str:
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,3})%", value)
        if match is None or not 1 <= int(match[1]) <= 100:
            raise ScenarioError(place, f"{value!r} is no percentage", 'write "1%" to "100%", or a whole number')
        return value
    return whole(1)(value, place)


def _parse(top: Table) -> Scenario:
    top.known("name", "title", "cluster", "timing", "per_node", "faults", "operator", "probes", "horizon", *KEYS)
    if "cluster" not in top.data:
        raise ScenarioError(top.at("cluster"), "it is missing", 'add {"nodes": N}')
    nodes = top.table("cluster").need("nodes", whole(1, _MAX_NODES))
    joins = read_joins(top, nodes, _MAX_NODES)
    count = nodes + len(joins)
    cluster = _parse_cluster(top.table("cluster"), count)
    timing, ladders = _parse_timing(top.table("timing"))
    stages = _parse_stages(top.table("per_node"), timing, count)
    check_services(timing, stages)
    faults = tuple(_parse_fault(table, cluster, count) for table in top.items("faults"))
    _check_windows(top, faults)
    check_joins(top, joins, faults)
    actions = tuple(_parse_action(table, cluster, count) for table in top.items("operator"))
    _check_deletions(top, cluster, faults, actions)
    check_roll_back(top, actions)
    pod_arrivals, policy_arrivals = read_arrivals(top)
    return Scenario(
        cluster=cluster,
        timing=timing,
        stages=stages,
        crash_ladder=ladders["crash_ladder"],
        image_ladder=ladders["image_ladder"],
        faults=faults,
        operator=actions,
        probes=tuple(_parse_probe(table, count) for table in top.items("probes")),
        horizon=DEFAULT_HORIZON if "horizon" not in top.data else top.maybe("horizon", micros),
        name=top.maybe("name", text),
        title=top.maybe("title", text),
        joins=joins,
        typha=read_typha(top, cluster),
        pod_arrivals=pod_arrivals,
        policy_arrivals=policy_arrivals,
        hazards="hazards" in read_extensions(top),
    )


def _parse_cluster(table: Table, count: int) -> Cluster:
    """The cluster; `count` is the number of nodes, those that join included."""
    table.known("nodes", "max_unavailable", "kubernetes", "kops", "protocol", "order", "objects", "update_strategy")
    protocol = table.get("protocol", one_of(tuple(_PROTOCOLS), "protocol"), V2_TO_V3)
    objects = table.table("objects")
    objects.known("resources", "ipam")
    return Cluster(
        nodes=table.need("nodes", whole(1, _MAX_NODES)),
        max_unavailable=_max_unavailable(table.data.get("max_unavailable", 1), table.at("max_unavailable")),
        kubernetes=table.get("kubernetes", _kubernetes, _PROTOCOLS[protocol]),
        kops=table.maybe("kops", text),
        protocol=protocol,
        order=_parse_order(table, count),
        resources=objects.get("resources", whole(1), 200),
        ipam=objects.get("ipam", whole(0), 0),
        update_strategy=read_strategy(table, protocol == V3_ROLLING),
    )


def _parse_order(table: Table, count: int) -> tuple[int, ...]:
    names = table.data.get("order", [])
    place = table.at("order")
    if not isinstance(names, list):
        raise ScenarioError(place, f"expected a list, found {kind_of(names)}", 'write ["n2", "n1"]')
    read = node_index(count)
    first = [read(name, f"{place}[{index}]") for index, name in enumerate(names)]
    seen: set[int] = set()
    for index, node in enumerate(first):
        if node in seen:
            raise ScenarioError(f"{place}[{index}]", f"{node_name(node)} is there twice", "name a node once")
        seen.add(node)
    return (*first, *(node for node in range(count) if node not in seen))


def _value(name: str, value: object, place: str) -> int:
    """One value of a timing name, as the integer the simulator counts in."""
    timing = TIMINGS[name]
    number = micros(value, place) if timing.scaled else whole(0)(value, place)
    check_range(place, timing, number)
    return number


def _parse_timing(table: Table) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    for name in table.data:
        if name not in TIMINGS:
            raise unknown(table.place, name, TIMINGS, "timing name")
    timing: dict[str, int] = {}
    ladders: dict[str, tuple[int, ...]] = {}
    for name, entry in TIMINGS.items():
        place = table.at(name)
        value = table.data.get(name, entry.golden)
        if not isinstance(entry.golden, tuple):
            timing[name] = _value(name, value, place)
            continue
        if not isinstance(value, (list, tuple)) or not value:
            raise ScenarioError(place, "expected a list of seconds", "write it as [0, 10, 20]")
        ladders[name] = tuple(micros(step, f"{place}[{index}]") for index, step in enumerate(value))
        if ladders[name][-1] == 0:
            raise ScenarioError(place, "its last value is 0", "the last one repeats: use more than 0")
    return timing, ladders


def _parse_stages(table: Table, timing: Mapping[str, int], count: int) -> dict[str, tuple[int, ...]]:
    stages = {name: [timing[name]] * count for name in PER_NODE}
    read = node_index(count)
    for node in table.data:
        index = read(node, table.at(node))
        own = table.table(node)
        for name, value in own.data.items():
            if name not in TIMINGS:
                raise unknown(own.place, name, PER_NODE, "timing name")
            if name not in PER_NODE:
                raise ScenarioError(own.at(name), "it cannot differ from node to node", "set it in timing")
            stages[name][index] = _value(name, value, own.at(name))
    return {name: tuple(values) for name, values in stages.items()}


def _parse_entry(table: Table, key: str, kinds: _Kinds, what: str, nodes: int) -> dict[str, Any]:
    """The values of a fault, action or probe, `kind` among them; optional ones absent or null are None."""
    kind = table.need(key, one_of(tuple(kinds), what))
    required, optional = kinds[kind]
    table.known(key, *required, *optional)
    readers: dict[str, Callable[[object, str], Any]] = {
        "node": node_index(nodes),
        "at": micros,
        "from": micros,
        "until": micros,
        "image": one_of(_IMAGES, "image"),
        "object": whole(1),
        "abort_fails": boolean,
        "source": one_of(_SOURCES, "source"),
    }
    values: dict[str, Any] = {"kind": kind}
    values |= {name: table.need(name, readers[name]) for name in required}
    values |= {name: table.maybe(name, readers[name]) for name in optional}
    return values


def _parse_fault(table: Table, cluster: Cluster, count: int) -> Fault:
    values = _parse_entry(table, "kind", _FAULTS, "kind of fault", count)
    if cluster.rolling and values["kind"] not in _ROLLING_FAULTS:
        reason = f"{V3_ROLLING} has no {values['kind']}"
        raise ScenarioError(table.at("kind"), reason, f"it knows {', '.join(_ROLLING_FAULTS)}")
    if cluster.rolling and values.get("image") == "upgrade":
        reason = f"{V3_ROLLING} does not use the upgrade image"
        raise ScenarioError(table.at("image"), reason, "use node, cni or controllers")
    if values.get("image") == "controllers" and values["node"] is not None:
        reason = "the controllers' image is not pulled by these nodes"
        raise ScenarioError(table.at("node"), reason, "leave out node")
    fault = Fault(start=values.pop("from", None) or 0, **{k: v for k, v in values.items() if v is not None})
    if fault.until is not None and fault.until < fault.start:
        raise ScenarioError(table.at("until"), "the window ends before it begins", "use until >= from")
    return fault


def _parse_action(table: Table, cluster: Cluster, count: int) -> Action:
    values = _parse_entry(table, "action", _ACTIONS, "action", count)
    if cluster.rolling and values["kind"] not in _ROLLING_ACTIONS:
        reason = f"{V3_ROLLING} has no use for {values['kind']}"
        raise ScenarioError(table.at("action"), reason, f"it knows {', '.join(_ROLLING_ACTIONS)}")
    return Action(**values)


def _parse_probe(table: Table, count: int) -> Probe:
    return Probe(**_parse_entry(table, "kind", _PROBES, "kind of probe", count))


def _check_windows(top: Table, faults: Sequence[Fault]) -> None:
    """A node is off or on: its windows must not overlap."""
    windows: dict[int | None, list[tuple[int, Fault]]] = {}
    for index, fault in enumerate(faults):
        if fault.kind == "node_not_ready" and fault.until != fault.start:
            windows.setdefault(fault.node, []).append((index, fault))
    for own in windows.values():
        own.sort(key=lambda entry: entry[1].start)
        for (_, earlier), (index, later) in pairwise(own):
            if earlier.until is None or later.start < earlier.until:
                raise ScenarioError(
                    f"{top.at('faults')}[{index}]",
                    "it overlaps another node_not_ready window of the same node",
                    "join the two windows",
                )


def _check_deletions(top: Table, cluster: Cluster, faults: Sequence[Fault], actions: Sequence[Action]) -> None:
    """delete_node is for nodes that never return, and leaves at least one of the first nodes."""
    deleted: set[int | None] = set()
    for index, action in enumerate(actions):
        if action.kind != "delete_node":
            continue
        place = f"{top.at('operator')}[{index}].node"
        if action.node in deleted:
            raise ScenarioError(place, "the node is deleted twice", "delete it once")
        deleted.add(action.node)
        gone = any(
            fault.kind == "node_not_ready"
            and fault.node == action.node
            and fault.until is None
            and fault.start <= action.at
            for fault in faults
        )
        if not gone:
            raise ScenarioError(
                place,
                "only a node that is NotReady and never returns may be deleted",
                "add a node_not_ready fault without until that begins before",
            )
        if sum(node is not None and node < cluster.nodes for node in deleted) == cluster.nodes:
            raise ScenarioError(place, "no node would remain", "leave one")
