"""Reading a scenario: every key checked, every mistake named with its place, the reason and what to do."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

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
from simulator.timing import MICRO, PER_NODE, TIMINGS

T = TypeVar("T")

_PROTOCOLS: Final = {V2_TO_V3: "1.10.0", V3_ROLLING: "1.28.0"}  # each with its usual Kubernetes
_MAX_NODES: Final = 100_000
_MAX_SECONDS: Final = 1_000_000_000

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
        wrapper = _Table(data, "")
        wrapper.known("scenario", "expected")
        data, prefix = data["scenario"], "scenario"
    return _parse(_Table(data, prefix))


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


def _kind_of(value: object) -> str:
    names = {bool: "true or false", dict: "an object", list: "a list", str: "text", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


class _Table:
    """An object of the scenario that knows its place and which of its keys are allowed."""

    def __init__(self, data: object, place: str) -> None:
        if not isinstance(data, Mapping):
            raise ScenarioError(place, f"expected an object, found {_kind_of(data)}", "write {…}")
        self.data: Mapping[str, object] = data
        self.place = place

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def known(self, *keys: str) -> None:
        for key in self.data:
            if key not in keys:
                raise unknown(self.place, key, keys, "known key here")

    def need(self, key: str, read: Callable[[object, str], T]) -> T:
        if key not in self.data:
            raise ScenarioError(self.at(key), "it is missing", f"add {key!r}")
        return read(self.data[key], self.at(key))

    def get(self, key: str, read: Callable[[object, str], T], default: T) -> T:
        return read(self.data[key], self.at(key)) if key in self.data else default

    def maybe(self, key: str, read: Callable[[object, str], T]) -> T | None:
        """The value; None if it is absent or null."""
        return None if self.data.get(key) is None else read(self.data[key], self.at(key))

    def table(self, key: str) -> _Table:
        return _Table(self.data.get(key, {}), self.at(key))

    def items(self, key: str) -> list[_Table]:
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise ScenarioError(self.at(key), f"expected a list, found {_kind_of(value)}", "write […]")
        return [_Table(item, f"{self.at(key)}[{index}]") for index, item in enumerate(value)]


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise ScenarioError(place, f"expected text, found {_kind_of(value)}", "put it in quotes")
    return value


def _boolean(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise ScenarioError(place, f"expected true or false, found {_kind_of(value)}", "write true or false")
    return value


def _whole(minimum: int, maximum: int | None = None) -> Callable[[object, str], int]:
    def read(value: object, place: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            found = value if isinstance(value, float) else _kind_of(value)
            raise ScenarioError(place, f"expected a whole number, found {found}", "write it without a fraction")
        if value < minimum:
            raise ScenarioError(place, f"{value} is too small", f"use {minimum} or more")
        if maximum is not None and value > maximum:
            raise ScenarioError(place, f"{value} is too large", f"use {maximum} or less")
        return value

    return read


def _micros(value: object, place: str) -> int:
    """Seconds -> microseconds; also objects a second -> millionths of it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ScenarioError(place, f"expected a number, found {_kind_of(value)}", "write seconds as a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ScenarioError(place, f"{value} is not finite", "use a finite number of seconds")
    if value < 0:
        raise ScenarioError(place, f"{value} is negative", "use 0 or more")
    if value > _MAX_SECONDS:
        raise ScenarioError(place, "the number is too large", f"use {_MAX_SECONDS} or less")
    return round(value * MICRO)


def _one_of(choices: Sequence[str], what: str) -> Callable[[object, str], str]:
    def read(value: object, place: str) -> str:
        word = _text(value, place)
        if word not in choices:
            raise unknown(place, word, choices, what)
        return word

    return read


def _node_index(count: int) -> Callable[[object, str], int]:
    def read(value: object, place: str) -> int:
        name = _text(value, place)
        if not re.fullmatch(r"n[1-9][0-9]{0,8}", name) or int(name[1:]) > count:
            possible = "only n1" if count == 1 else f"n1 … n{count}"
            raise ScenarioError(place, f"there is no node {name!r}", f"the cluster has {possible}")
        return int(name[1:]) - 1

    return read


def _kubernetes(value: object, place: str) -> str:
    text = _text(value, place)
    try:
        parse_version(text)
    except ValueError:
        raise ScenarioError(place, f"{text!r} is no version", 'write it as "1.10.5"') from None
    return text


def _max_unavailable(value: object, place: str) -> int | str:
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,3})%", value)
        if match is None or not 1 <= int(match[1]) <= 100:
            raise ScenarioError(place, f"{value!r} is no percentage", 'write "1%" to "100%", or a whole number')
        return value
    return _whole(1)(value, place)


def _parse(top: _Table) -> Scenario:
    top.known("name", "title", "cluster", "timing", "per_node", "faults", "operator", "probes", "horizon")
    if "cluster" not in top.data:
        raise ScenarioError(top.at("cluster"), "it is missing", 'add {"nodes": N}')
    cluster = _parse_cluster(top.table("cluster"))
    timing, ladders = _parse_timing(top.table("timing"))
    stages = _parse_stages(top.table("per_node"), timing, cluster.nodes)
    check_services(timing, stages)
    faults = tuple(_parse_fault(table, cluster) for table in top.items("faults"))
    _check_windows(top, faults)
    actions = tuple(_parse_action(table, cluster) for table in top.items("operator"))
    _check_deletions(top, cluster, faults, actions)
    return Scenario(
        cluster=cluster,
        timing=timing,
        stages=stages,
        crash_ladder=ladders["crash_ladder"],
        image_ladder=ladders["image_ladder"],
        faults=faults,
        operator=actions,
        probes=tuple(_parse_probe(table, cluster) for table in top.items("probes")),
        horizon=DEFAULT_HORIZON if "horizon" not in top.data else top.maybe("horizon", _micros),
        name=top.maybe("name", _text),
        title=top.maybe("title", _text),
    )


def _parse_cluster(table: _Table) -> Cluster:
    table.known("nodes", "max_unavailable", "kubernetes", "kops", "protocol", "order", "objects")
    count = table.need("nodes", _whole(1, _MAX_NODES))
    protocol = table.get("protocol", _one_of(tuple(_PROTOCOLS), "protocol"), V2_TO_V3)
    objects = table.table("objects")
    objects.known("resources", "ipam")
    return Cluster(
        nodes=count,
        max_unavailable=_max_unavailable(table.data.get("max_unavailable", 1), table.at("max_unavailable")),
        kubernetes=table.get("kubernetes", _kubernetes, _PROTOCOLS[protocol]),
        kops=table.maybe("kops", _text),
        protocol=protocol,
        order=_parse_order(table, count),
        resources=objects.get("resources", _whole(1), 200),
        ipam=objects.get("ipam", _whole(0), 0),
    )


def _parse_order(table: _Table, count: int) -> tuple[int, ...]:
    names = table.data.get("order", [])
    place = table.at("order")
    if not isinstance(names, list):
        raise ScenarioError(place, f"expected a list, found {_kind_of(names)}", 'write ["n2", "n1"]')
    read = _node_index(count)
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
    number = _micros(value, place) if timing.scaled else _whole(0)(value, place)
    check_range(place, timing, number)
    return number


def _parse_timing(table: _Table) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
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
        ladders[name] = tuple(_micros(step, f"{place}[{index}]") for index, step in enumerate(value))
        if ladders[name][-1] == 0:
            raise ScenarioError(place, "its last value is 0", "the last one repeats: use more than 0")
    return timing, ladders


def _parse_stages(table: _Table, timing: Mapping[str, int], count: int) -> dict[str, tuple[int, ...]]:
    stages = {name: [timing[name]] * count for name in PER_NODE}
    read = _node_index(count)
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


def _parse_entry(table: _Table, key: str, kinds: _Kinds, what: str, nodes: int) -> dict[str, Any]:
    """The values of a fault, action or probe, `kind` among them; optional ones absent or null are None."""
    kind = table.need(key, _one_of(tuple(kinds), what))
    required, optional = kinds[kind]
    table.known(key, *required, *optional)
    readers: dict[str, Callable[[object, str], Any]] = {
        "node": _node_index(nodes),
        "at": _micros,
        "from": _micros,
        "until": _micros,
        "image": _one_of(_IMAGES, "image"),
        "object": _whole(1),
        "abort_fails": _boolean,
        "source": _one_of(_SOURCES, "source"),
    }
    values: dict[str, Any] = {"kind": kind}
    values |= {name: table.need(name, readers[name]) for name in required}
    values |= {name: table.maybe(name, readers[name]) for name in optional}
    return values


def _parse_fault(table: _Table, cluster: Cluster) -> Fault:
    values = _parse_entry(table, "kind", _FAULTS, "kind of fault", cluster.nodes)
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


def _parse_action(table: _Table, cluster: Cluster) -> Action:
    values = _parse_entry(table, "action", _ACTIONS, "action", cluster.nodes)
    if cluster.rolling and values["kind"] not in _ROLLING_ACTIONS:
        reason = f"{V3_ROLLING} has no use for {values['kind']}"
        raise ScenarioError(table.at("action"), reason, f"it knows {', '.join(_ROLLING_ACTIONS)}")
    return Action(**values)


def _parse_probe(table: _Table, cluster: Cluster) -> Probe:
    return Probe(**_parse_entry(table, "kind", _PROBES, "kind of probe", cluster.nodes))


def _check_windows(top: _Table, faults: Sequence[Fault]) -> None:
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


def _check_deletions(top: _Table, cluster: Cluster, faults: Sequence[Fault], actions: Sequence[Action]) -> None:
    """delete_node is for nodes that never return, and leaves at least one node."""
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
        if len(deleted) == cluster.nodes:
            raise ScenarioError(place, "no node would remain", "leave one")
