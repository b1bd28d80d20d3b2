"""Reading what a scenario says beyond the contract (docs/scenario-extensions.md); errors are `ScenarioError`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from simulator.extensions import MAX_ARRIVALS, Arrivals, Join, Typha
from simulator.reading import Table, kind_of, micros, node_index, one_of, text, whole
from simulator.scenario import (
    ON_DELETE,
    ROLLING_UPDATE,
    V3_ROLLING,
    Action,
    Cluster,
    Fault,
    ScenarioError,
    node_name,
)
from simulator.timing import MICRO

KEYS: Final = ("joins", "typha", "arrivals", "extensions")
"""Top-level keys."""

_EXTENSIONS: Final = ("hazards",)
_SOURCES: Final = ("kubernetes", "calicoctl_v1", "calicoctl_v3")
_AFTER_ROLL_BACK: Final = ("delete_node", "delete_pod")


def read_strategy(table: Table, rolling: bool) -> str:
    """The DaemonSet's update strategy."""
    strategy = table.get("update_strategy", one_of((ROLLING_UPDATE, ON_DELETE), "strategy"), ROLLING_UPDATE)
    if strategy == ON_DELETE and rolling:
        reason = f"only kOps before 1.9 left it at {ON_DELETE}"
        raise ScenarioError(table.at("update_strategy"), reason, f"use {ROLLING_UPDATE} with {V3_ROLLING}")
    return strategy


def read_joins(top: Table, nodes: int, maximum: int) -> tuple[Join, ...]:
    """The nodes that join a cluster of `nodes` nodes; `maximum` is how many there may be in all."""
    entries: list[tuple[str, int | str, int]] = []
    for table in top.items("joins"):
        table.known("node", "at")
        entries.append((table.at("node"), table.need("node", _name_or_count), table.need("at", micros)))
    total = nodes + sum(who if isinstance(who, int) else 1 for _, who, _ in entries)
    if total > maximum:
        raise ScenarioError(top.at("joins"), f"{total} nodes are too many", f"use {maximum} or less")
    taken: set[int] = set()
    for place, who, _ in entries:
        if isinstance(who, str):
            index = node_index(total)(who, place)
            if index < nodes:
                raise ScenarioError(place, f"{who} is there from the beginning", f"use n{nodes + 1} … n{total}")
            if index in taken:
                raise ScenarioError(place, f"{who} joins twice", "name a node once")
            taken.add(index)
    free = iter([index for index in range(nodes, total) if index not in taken])
    joins: list[Join] = []
    for place, who, at in entries:
        if isinstance(who, str):
            joins.append(Join(node_index(total)(who, place), at))
        else:
            joins += [Join(next(free), at) for _ in range(who)]
    return tuple(joins)


def _name_or_count(value: object, place: str) -> int | str:
    return value if isinstance(value, str) else whole(1)(value, place)


def read_typha(top: Table, cluster: Cluster) -> Typha | None:
    """Typha's Deployment; only v3-rolling has one."""
    if top.data.get("typha") is None:
        return None
    table = top.table("typha")
    if not cluster.rolling:
        reason = "calico-upgrade and its manifests know no Typha"
        raise ScenarioError(table.place, reason, f"leave it out, or use protocol {V3_ROLLING}")
    table.known("replicas", "max_unavailable", "max_surge", "start", "shutdown", "reconnect")
    replicas = table.need("replicas", whole(1))
    if replicas >= cluster.nodes:
        reason = f"{replicas} replicas on {cluster.nodes} node{'s' if cluster.nodes > 1 else ''}"
        advice = "each uses a port of its host: its roll needs at least one free node"
        raise ScenarioError(table.at("replicas"), reason, advice)
    return Typha(
        replicas=replicas,
        max_unavailable=table.get("max_unavailable", whole(1), 1),
        max_surge=_surge(table.data.get("max_surge", "100%"), table.at("max_surge")),
        start=table.get("start", micros, 10 * MICRO),
        shutdown=table.get("shutdown", micros, 300 * MICRO),
        reconnect=table.get("reconnect", micros, 2 * MICRO),
    )


def _surge(value: object, place: str) -> int | str:
    if not isinstance(value, str):
        return whole(0)(value, place)
    match = re.fullmatch(r"([0-9]{1,3})%", value)
    if match is None or int(match[1]) > 100:
        raise ScenarioError(place, f"{value!r} is no percentage", 'write "0%" to "100%", or a whole number')
    return value


def read_arrivals(top: Table) -> tuple[Arrivals | None, Arrivals | None]:
    """(pods, policies) that arrive during the run; None: not asked for."""
    table = top.table("arrivals")
    table.known("pods", "policies")
    pods = _arrivals(table.table("pods"), ()) if "pods" in table.data else None
    policies = _arrivals(table.table("policies"), ("source",)) if "policies" in table.data else None
    return pods, policies


def _arrivals(table: Table, further: tuple[str, ...]) -> Arrivals:
    table.known("times", "rate", "from", "until", *further)
    source = table.get("source", one_of(_SOURCES, "source"), "kubernetes") if further else None
    if ("times" in table.data) == ("rate" in table.data):
        raise ScenarioError(table.place, "it needs either times or rate", 'write {"rate": 6}: six a minute')
    if "times" in table.data:
        table.known("times", *further)
        return Arrivals(times=table.need("times", _times), source=source)
    rate = table.need("rate", micros)
    if rate == 0:
        raise ScenarioError(table.at("rate"), "it must be more than 0", "use arrivals a minute")
    start = table.get("from", micros, 0)
    until = table.maybe("until", micros)
    if until is not None and until < start:
        raise ScenarioError(table.at("until"), "they end before they begin", "use until >= from")
    return Arrivals(rate=rate, start=start, until=until, source=source)


def _times(value: object, place: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ScenarioError(place, f"expected a list, found {kind_of(value)}", "write [20, 40]")
    if len(value) > MAX_ARRIVALS:
        raise ScenarioError(place, f"{len(value)} are too many", f"use {MAX_ARRIVALS} or less")
    return tuple(micros(time, f"{place}[{index}]") for index, time in enumerate(value))


def read_extensions(top: Table) -> frozenset[str]:
    """The further fields of the result that are asked for."""
    names = top.data.get("extensions", [])
    place = top.at("extensions")
    if not isinstance(names, list):
        raise ScenarioError(place, f"expected a list, found {kind_of(names)}", 'write ["hazards"]')
    read = one_of(_EXTENSIONS, "extension")
    return frozenset(read(text(name, f"{place}[{index}]"), f"{place}[{index}]") for index, name in enumerate(names))


def check_roll_back(top: Table, actions: Sequence[Action]) -> None:
    """One rollback at most, and after it only what makes sense on the way back."""
    rolls = [(index, action) for index, action in enumerate(actions) if action.kind == "roll_back"]
    for index, _ in rolls[1:]:
        raise ScenarioError(f"{top.at('operator')}[{index}]", "it is rolled back twice", "roll back once")
    for _, roll in rolls:
        for index, action in enumerate(actions):
            if action is not roll and action.at >= roll.at and action.kind not in _AFTER_ROLL_BACK:
                place = f"{top.at('operator')}[{index}]"
                advice = f"from then on only {' and '.join(_AFTER_ROLL_BACK)}"
                raise ScenarioError(place, f"{action.kind} at or after the rollback", advice)


def check_joins(top: Table, joins: Sequence[Join], faults: Sequence[Fault]) -> None:
    """A node cannot be lost before it is there."""
    since = {join.node: join.at for join in joins}
    for index, fault in enumerate(faults):
        if fault.kind == "node_not_ready" and fault.node is not None and fault.start < since.get(fault.node, 0):
            place = f"{top.at('faults')}[{index}].from"
            reason = f"{node_name(fault.node)} joins later"
            raise ScenarioError(place, reason, "let it begin when the node joins, or after that")
