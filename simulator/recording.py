"""A recorded rollout: what a prediction may know of it (`Rollout`), and what was observed (`Observed`).

A recording is one JSON object. The two sides are kept apart by their types, so that no recorded time can get into a
prediction: `Rollout` holds the scenario, each node's draws, the nodes that are not ready or stuck, and the order in
which the DaemonSet controller deleted the old calico-node pods; everything else is in `Observed`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulator.reading import read_text
from simulator.scenario import Cluster, ScenarioError
from simulator.timing import MICRO

_MAX_SECONDS: Final = 1_000_000_000
_MAX_NODES: Final = 100_000

WINDOWS: Final = (
    "datastore_locked",
    "version_written",
    "controllers_ready",
    "last_node_ready",
    "datastore_unlocked",
    "scheduling_block",
    "policy_freeze_controllers_init",
    "policy_freeze_conversion",
)
"""The instants (after zero) and windows that are predicted, in the order of the report."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One node's durations in microseconds.

    `pull_init`: pod bound until its init container runs. `pull_main`: init done until calico-node runs.
    `start_ready`: calico-node runs until it is Ready, but never less than the scenario's `ensure`.
    """

    pull_init: int
    pull_main: int
    start_ready: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """All that a prediction may know. Durations are microseconds; they are those of the recording's scenario.

    `poll`: sleep of every script. `validate`: start of the init container until it takes the lock. `hold`: lock until
    the data is migrated. `ensure`: calico-node's start until it writes the version. `ctl_pull`: kube-controllers bound
    until its first poll. `ctl_start`: its init done until it is Ready. `job_pull`: completion Job bound until its first
    poll. `complete`: the Job saw the rollout finished until the datastore is unlocked. `timeout`: the recording
    stopped there. `order`: the nodes as their old pods were deleted, then the others by name. `budget`: pods that may
    be unavailable.
    """

    poll: int
    validate: int
    hold: int
    ensure: int
    ctl_pull: int
    ctl_start: int
    job_pull: int
    complete: int
    timeout: int
    budget: int
    draws: Mapping[str, Draw]
    not_ready: frozenset[str]
    stuck: frozenset[str]
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One recorded event; `time` is in seconds after zero, an absent label is empty."""

    time: float
    name: str
    node: str
    app: str
    rev: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What happened: the events in order of time."""

    events: tuple[Event, ...]

    def windows(self, rollout: Rollout) -> dict[str, float | None]:
        """Every one of `WINDOWS` in seconds; None where the recording lacks it."""
        return windows(
            locked=self.first("datastore_locked"),
            version=self.first("version_written"),
            controllers_deleted=self.first("pod_deleted", "kube-controllers", "v2"),
            controllers_bound=self.first("pod_bound", "kube-controllers", "v3"),
            controllers_init_done=self.first("controllers_init_done"),
            controllers_ready=self.first("controllers_ready"),
            last_ready=max((event.time for event in self.events if event.name == "node_ready"), default=None),
            unlocked=self.first("datastore_unlocked"),
            ctl_pull=rollout.ctl_pull / MICRO,
        )

    def first(self, name: str, app: str = "", rev: str = "") -> float | None:
        """When the first event of that name (and labels) happened, in seconds."""
        labels = (name, app, rev)
        return next((event.time for event in self.events if (event.name, event.app, event.rev) == labels), None)


def windows(
    *,
    locked: float | None,
    version: float | None,
    controllers_deleted: float | None,
    controllers_bound: float | None,
    controllers_init_done: float | None,
    controllers_ready: float | None,
    last_ready: float | None,
    unlocked: float | None,
    ctl_pull: float,
) -> dict[str, float | None]:
    """Every one of `WINDOWS` from the instants that delimit them: one definition for both sides.

    Seconds, rounded to the milliseconds of a recording; None where an instant is missing.
    """
    first_poll = None if controllers_bound is None else controllers_bound + ctl_pull
    values = (
        locked,
        version,
        controllers_ready,
        last_ready,
        unlocked,
        _between(locked, unlocked),
        _between(first_poll, controllers_init_done),
        _between(controllers_deleted, controllers_ready),
    )
    return {name: None if value is None else round(value, 3) for name, value in zip(WINDOWS, values, strict=True)}


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


# Reading -----------------------------------------------------------------------------------------------------


def read_recording(path: str) -> tuple[Rollout, Observed]:
    """Read and check the recording in a file; `-` is standard input.

    Raises:
        ScenarioError: the file cannot be read, is not JSON (with line and column), or is no recording (with the place
            in it, the reason and what to do).

    """
    try:
        return parse_recording(json.loads(read_text(path)))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ScenarioError(place, f"this is not JSON: {error.msg}", "correct the text there") from None
    except RecursionError:
        raise ScenarioError("", "the JSON is nested too deeply", "a recording has four levels") from None
    except ScenarioError:
        raise
    except ValueError as error:  # a number with thousands of digits
        raise ScenarioError("", str(error), "use a number of seconds") from None


def parse_recording(data: object) -> tuple[Rollout, Observed]:
    """Both sides of a recording from its JSON data. Keys that are not needed are not looked at.

    Raises:
        ScenarioError: it is no recording.

    """
    top = _object(data, "")
    scenario = _object(_need(top, "scenario", ""), "scenario")
    draws = _draws(_object(_need(top, "draws", ""), "draws"))
    if "nodes" in scenario and scenario["nodes"] != len(draws):
        reason = f"{scenario['nodes']!r} nodes, but `draws` has {len(draws)}"
        raise ScenarioError("scenario.nodes", reason, "give every node its draws")
    events = _events(_need(top, "events", ""), draws)
    not_ready, stuck = (_nodes(top.get(key, []), key, draws) for key in ("not_ready", "stuck"))
    durations = {key: _micros(_need(scenario, key, "scenario"), f"scenario.{key}") for key in _DURATIONS}
    if durations["poll"] == 0:
        raise ScenarioError("scenario.poll", "a script that does not sleep polls for ever", "use a number above 0")
    max_unavailable = _max_unavailable(_need(scenario, "max_unavailable", "scenario"), "scenario.max_unavailable")
    deleted = (event.node for event in events if _labels(event) == ("pod_deleted", "calico-node", "v2"))
    rollout = Rollout(
        **durations,
        budget=Cluster(nodes=len(draws), max_unavailable=max_unavailable).budget(len(draws)),
        draws=draws,
        not_ready=frozenset(not_ready),
        stuck=frozenset(stuck),
        order=tuple(dict.fromkeys([*deleted, *sorted(draws)])),
    )
    return rollout, Observed(events)


_DURATIONS: Final = ("poll", "validate", "hold", "ensure", "ctl_pull", "ctl_start", "job_pull", "complete", "timeout")


def _labels(event: Event) -> tuple[str, str, str]:
    return event.name, event.app, event.rev


def _draws(table: Mapping[str, Any]) -> dict[str, Draw]:
    if not 1 <= len(table) <= _MAX_NODES:
        raise ScenarioError("draws", f"{len(table)} nodes", f"a cluster has 1 to {_MAX_NODES} nodes")
    draws = {}
    for node, stages in table.items():
        place = f"draws.{node}"
        stages = _object(stages, place)
        draws[node] = Draw(*(_micros(_need(stages, key, place), f"{place}.{key}") for key in Draw.__slots__))
    return draws


def _events(data: object, draws: Mapping[str, Draw]) -> tuple[Event, ...]:
    """The events in order of time; those of one instant stay in the order of the file."""
    events = []
    for index, item in enumerate(_list(data, "events")):
        place = f"events[{index}]"
        item = _object(item, place)
        name = _text(_need(item, "event", place), f"{place}.event")
        node, app, rev = (_text(item.get(key, ""), f"{place}.{key}") for key in ("node", "app", "rev"))
        event = Event(_micros(_need(item, "t", place), f"{place}.t") / MICRO, name, node, app, rev)
        if _labels(event) == ("pod_deleted", "calico-node", "v2") and node not in draws:
            raise ScenarioError(f"{place}.node", f"there is no node {node!r}", "use a name of `draws`")
        events.append(event)
    return tuple(sorted(events, key=lambda event: event.time))


def _nodes(data: object, place: str, draws: Mapping[str, Draw]) -> list[str]:
    names = []
    for index, item in enumerate(_list(data, place)):
        name = _text(item, f"{place}[{index}]")
        if name not in draws:
            raise ScenarioError(f"{place}[{index}]", f"there is no node {name!r}", "use a name of `draws`")
        names.append(name)
    return names


def _need(table: Mapping[str, Any], key: str, place: str) -> object:
    if key not in table:
        raise ScenarioError(f"{place}.{key}" if place else key, "it is missing", f"add {key!r}")
    return table[key]


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ScenarioError(place, f"expected an object, found {_kind(value)}", "write {…}")
    return value


def _list(value: object, place: str) -> list[object]:
    if not isinstance(value, list):
        raise ScenarioError(place, f"expected a list, found {_kind(value)}", "write […]")
    return value


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise ScenarioError(place, f"expected text, found {_kind(value)}", "put it in quotes")
    return value


def _micros(value: object, place: str) -> int:
    """Seconds -> microseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ScenarioError(place, f"expected a number, found {_kind(value)}", "write seconds as a number")
    if not 0 <= value <= _MAX_SECONDS:  # NaN, the only value that differs from itself, is not in it either
        reason = "is no number" if value != value else "is out of range"
        raise ScenarioError(place, f"this {reason}", f"use seconds from 0 to {_MAX_SECONDS}")
    return round(value * MICRO)


def _max_unavailable(value: object, place: str) -> int | str:
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,3})%", value)
        if match is None or not 1 <= int(match[1]) <= 100:
            raise ScenarioError(place, f"{value!r} is no percentage", 'write "1%" to "100%", or a whole number')
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ScenarioError(place, "expected a whole number above 0 or a percentage", 'write 1 or "10%"')
    return value


def _kind(value: object) -> str:
    names = {bool: "true or false", dict: "an object", list: "a list", str: "text", type(None): "null"}
    return names.get(type(value), "a number")
