"""One run for other tools: as Chrome trace events (Perfetto, chrome://tracing), as CSV, and as our own JSON.

What the formats hold is explained in docs/trace.md. All times are microseconds after t_apply, the moment at which
the new manifests reach the API.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from calico_lint import __version__
from simulator.causes import GOALS, Wait, critical_path, direct_causes, goal
from simulator.protocol.states import MACHINES, Step, lanes, steps
from simulator.report.files import check_writable, write_whole
from simulator.scenario import node_name
from simulator.timing import MICRO
from simulator.trace import Trace

Json = dict[str, Any]

VERSION: Final = 1
"""Of our own JSON. It grows with a key that is changed or goes away, not with one that is added."""

_CLUSTER, _PATHS, _NODES = 1, 2, 3  # process ids: the cluster, its critical paths, and from 3 on the nodes
_MARGIN: Final = MICRO  # what is drawn after the last event, so that the last state can be seen


@dataclass(frozen=True, slots=True)
class Files:
    """Where the events of a run are to be written, in which format; None: nowhere."""

    chrome: str | None = None
    table: str | None = None
    events: str | None = None

    @property
    def paths(self) -> list[str]:
        """All of them."""
        return [path for path in (self.chrome, self.table, self.events) if path is not None]

    def check(self) -> None:
        """Find out, before a long computation, what would keep `write` from writing.

        Raises:
            OSError: as `write`.

        """
        for path in self.paths:
            check_writable(path)

    def write(self, trace: Trace, title: str) -> None:
        """Write all of them, each as a whole or not at all.

        Raises:
            OSError: one cannot be written; the error says which and why.
            ValueError: the trace was made without causes.

        """
        if self.chrome is not None:
            write_whole(self.chrome, as_chrome(trace, title))
        if self.table is not None:
            write_whole(self.table, as_csv(trace))
        if self.events is not None:
            write_whole(self.events, as_json(trace))


# --- CSV ---------------------------------------------------------------------------------------------------------


def as_csv(trace: Trace) -> str:
    """One row for each event, in order; an event of the cluster has no node."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("time_s", "actor", "node", "event"))
    for time, actor, node, event in trace.events:
        table.writerow((f"{time // MICRO}.{time % MICRO:06d}", actor, node or "", event))
    return text.getvalue()


# --- our own JSON ------------------------------------------------------------------------------------------------


def as_json(trace: Trace) -> str:
    """Events, what each of them waited for, and the critical paths; one event a line.

    Raises:
        ValueError: the trace was made without causes.

    """
    head = {
        "version": VERSION,
        "tool": {"name": "calico-sim", "version": __version__},
        "scenario": trace.scenario.to_dict(),
        "completed": trace.completed,
        "end_us": trace.end,
    }
    events = [
        {
            "id": place,
            "time_us": event.time,
            "actor": event.actor,
            "node": event.node,
            "event": event.event,
            "cause": cause.event,
            "waits": [{"stage": stage, "us": length} for stage, length in cause.waits],
        }
        for place, (event, cause) in enumerate(zip(trace.events, direct_causes(trace), strict=True))
    ]
    paths = {
        name: [
            {
                "start_us": wait.start,
                "end_us": wait.end,
                "stage": wait.stage,
                "actor": wait.actor,
                "node": wait.node,
                "event": wait.event,
            }
            for wait in path
        ]
        for name, path in _paths(trace)
    }
    lines = [f"{_compact(name)}:{_compact(value)}" for name, value in head.items()]
    lines.append(f'"events":{_list(events)}')
    lines += [f'"critical_paths":{{{",".join(f"{_compact(name)}:{_list(path)}" for name, path in paths.items())}}}']
    return "{" + ",\n".join(lines) + "}\n"


def _paths(trace: Trace) -> Iterator[tuple[str, list[Wait]]]:
    """The critical path to each goal that was reached."""
    for name in GOALS:
        place = goal(trace, name)
        if place is not None:
            yield name, critical_path(trace, place)


def _list(entries: list[Json]) -> str:
    return "[\n" + ",\n".join(map(_compact, entries)) + "\n]" if entries else "[]"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


# --- Chrome trace events -----------------------------------------------------------------------------------------


def as_chrome(trace: Trace, title: str) -> str:
    """The run as a JSON object of trace events that ui.perfetto.dev opens; one event a line.

    A process for the cluster, one for its critical paths, and one for each node; in it a thread for each actor, whose
    slices are the states of that actor. Arrows lead from what was waited for to what waited.

    Raises:
        ValueError: the trace was made without causes.

    """
    end = max([event.time for event in trace.events[-1:]] + [trace.end or 0]) + _MARGIN
    drawing = _Drawing()
    home = _draw_lanes(drawing, trace, end)
    _draw_paths(drawing, trace)
    _draw_arrows(drawing, trace, home)
    _draw_counters(drawing, trace)
    other = {"title": title, "tool": f"calico-sim {__version__}", "zero": "t_apply", "completed": trace.completed}
    return f'{{"displayTimeUnit":"ms","otherData":{_compact(other)},\n"traceEvents":{_list(drawing.events)}}}\n'


class _Drawing:
    """Trace events, as they are written. A thread is a pair of numbers, of its process and its own."""

    def __init__(self) -> None:
        self.events: list[Json] = []
        self._threads = 0
        self._arrows = 0
        for process, name in ((_CLUSTER, "cluster"), (_PATHS, "critical paths")):
            self.process(process, name)

    def process(self, process: int, name: str) -> None:
        """Name a process."""
        self._meta("process_name", process, 0, {"name": name})
        self._meta("process_sort_index", process, 0, {"sort_index": process})

    def thread(self, process: int, name: str) -> tuple[int, int]:
        """A new thread, below those that its process has."""
        self._threads += 1
        self._meta("thread_name", process, self._threads, {"name": name})
        self._meta("thread_sort_index", process, self._threads, {"sort_index": self._threads})
        return process, self._threads

    def slice(self, thread: tuple[int, int], name: str, kind: str, start: int, end: int, **told: Any) -> None:
        """Something that lasts; nothing if it takes no time."""
        if end > start:
            self._add("X", thread, start, name=name, cat=kind, dur=end - start, args=told)

    def instant(self, thread: tuple[int, int], name: str, time: int) -> None:
        """Something that happens."""
        self._add("i", thread, time, name=name, cat="event", s="t")

    def arrow(self, name: str, start: tuple[tuple[int, int], int], end: tuple[tuple[int, int], int]) -> None:
        """From the slice of a thread at a time to that of another thread at its time."""
        self._arrows += 1
        self._add("s", *start, name=name, cat="waited for", id=self._arrows)
        self._add("f", *end, name=name, cat="waited for", id=self._arrows, bp="e")

    def counter(self, name: str, time: int, value: int) -> None:
        """A number that holds from `time` on."""
        self._add("C", (_CLUSTER, 0), time, name=name, args={name: value})

    def _meta(self, what: str, process: int, thread: int, args: Json) -> None:
        self.events.append({"ph": "M", "pid": process, "tid": thread, "name": what, "args": args})

    def _add(self, phase: str, thread: tuple[int, int], time: int, **told: Any) -> None:
        self.events.append({"ph": phase, "pid": thread[0], "tid": thread[1], "ts": time, **told})


def _draw_lanes(drawing: _Drawing, trace: Trace, end: int) -> dict[int, tuple[int, int]]:
    """A thread for each actor. Returns the thread on which each event (its place) is at home."""
    drawn = {(lane.machine, lane.node): lane for lane in lanes(trace, end)}
    threads = {}
    for process, node in enumerate([None, *map(node_name, range(len(trace.nodes)))], start=_NODES - 1):
        if node is not None:
            drawing.process(process, node)
        for machine in MACHINES[trace.scenario.cluster.protocol]:
            lane = drawn.get((machine, node))
            if lane is not None:
                thread = drawing.thread(_CLUSTER if node is None else process, machine.title)
                threads[machine, node] = thread
                for start, until, state in lane.states:
                    drawing.slice(thread, state, machine.name, start, until)
    home: dict[int, Step] = {}
    for step in steps(trace):
        other = home.get(step.event)
        # On its node's first lane, else on that of the actor itself, else on the first that hears it.
        own = step.machine.name == trace.events[step.event].actor
        if other is None or (step.node is not None and other.node is None) or (own and other.node is None):
            home[step.event] = step
    for place, step in home.items():
        if step.before == step.after:  # no edge of a slice would show it
            event = trace.events[place]
            drawing.instant(threads[step.machine, step.node], event.event, event.time)
    return {place: threads[step.machine, step.node] for place, step in home.items()}


def _draw_paths(drawing: _Drawing, trace: Trace) -> None:
    for name, path in _paths(trace):
        thread = drawing.thread(_PATHS, f"to {name}")
        for wait in path:
            told = {"actor": wait.actor, "node": wait.node, "event": wait.event}
            drawing.slice(thread, wait.stage, "critical path", wait.start, wait.end, **told)


def _draw_arrows(drawing: _Drawing, trace: Trace, home: dict[int, tuple[int, int]]) -> None:
    """Where the cause is on another thread; on one thread the order of the slices says it."""
    for place, (cause, waits) in enumerate(direct_causes(trace)):
        if cause is not None and home[cause] != home[place]:
            name = ", ".join(stage for stage, _ in waits) or "at once"
            start, end = ((home[event], trace.events[event].time) for event in (cause, place))
            drawing.arrow(name, start, end)


def _draw_counters(drawing: _Drawing, trace: Trace) -> None:
    """Unavailable pods and the two flags that close the datastore to new pods."""
    missing: dict[int, int] = {}
    unavailable: set[str | None] = set()
    for event in trace.events:
        if event.event in ("pod_deleted", "pod_unready", "joined"):
            unavailable.add(event.node)
        elif event.event in ("pod_ready", "node_deleted"):
            unavailable.discard(event.node)
        else:
            continue
        missing[event.time] = len(unavailable)  # the last of an instant stays
    for time, count in ({0: 0} | missing).items():
        drawing.counter("unavailable pods", time, count)
    if trace.scenario.cluster.rolling:
        return
    flags = {"v1 Ready": {0: 1}, "datastoreReady": {0: 0}}
    for event in trace.events:
        if event.event in ("v1_ready", "v1_not_ready"):
            flags["v1 Ready"][event.time] = int(event.event == "v1_ready")
        elif (event.actor, event.event) == ("datastore", "complete"):
            flags["datastoreReady"][event.time] = 1
    for name, values in flags.items():
        for time, value in values.items():
            drawing.counter(name, time, value)
