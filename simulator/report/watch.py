"""A live upgrade on the screen: a line for every change, a line a minute in between, alarms with their recipe."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from simulator.catalogue import Etcd
from simulator.planning import duration
from simulator.report import recover
from simulator.report.lines import shown, wrapped
from simulator.scenario import ScenarioError
from simulator.stream import Malformed, read_objects
from simulator.watch import COMPLETING, DONE, NOT_BEGUN, ROLLING, Alarm, Status, Watch

EVERY_S: Final = 60.0
"""A line at least this often, so that a silent screen means a dead one."""

_LIST_S: Final = 0.5
"""The first list is over when nothing comes for so long."""

_SMALL: Final = 500
_SHARE: Final = 0.2
"""Above so many pods: of the time, what working out the status may take; a busy stream is read on meanwhile."""

_PHASES = {
    NOT_BEGUN: "not begun: no pod of the new generation yet",
    ROLLING: "rolling",
    COMPLETING: "every node runs the new pod; the completion Job opens the datastore",
    DONE: "done",
}


def follow(
    watch: Watch,
    lines: Iterable[str],
    out: TextIO,
    *,
    state: Path | None = None,
    as_json: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Read the stream to its end, and write what changes. Returns 0 if the upgrade is done, else 1.

    Raises WatchError where the state file cannot be used.
    """
    if state is not None:
        watch.load(state, clock())
    screen = _Screen(watch, out, as_json=as_json)
    items: queue.Queue[object] = queue.Queue(maxsize=1000)
    # A thread reads, because a line must be written also while nothing comes.
    threading.Thread(target=_read, args=(lines, items), daemon=True).start()
    next_look = 0.0
    # kubectl begins with every pod there is, often one by one. Until one comes again, or nothing more comes, half a
    # list is no state.
    listing = True
    while True:
        try:
            item = items.get(timeout=_LIST_S if listing else EVERY_S / 4)
        except queue.Empty:
            listing = listing and not watch.pods
            screen.look(clock())
            continue
        if item is None:
            break
        now = clock()
        if isinstance(item, Malformed):
            screen.malformed(item)
        else:
            assert isinstance(item, Mapping)
            listing = listing and "items" not in item and not watch.knows(item)
            try:
                watch.feed(item, now)
            except ScenarioError as error:
                screen.malformed(Malformed(0, str(error)))
        # Small clusters are looked at after every object, so that a recorded stream shows all that happened.
        if not listing and (len(watch.pods) <= _SMALL or items.empty() or now >= next_look):
            screen.look(now)
            if state is not None:
                watch.save(state)
            ended = clock()
            next_look = ended + (ended - now) / _SHARE
    screen.look(clock(), last=True)
    return 0 if screen.phase == DONE else 1


def _read(lines: Iterable[str], items: queue.Queue[object]) -> None:
    try:
        for item in read_objects(lines):
            items.put(item)
    finally:
        items.put(None)


class _Screen:
    """What has been written already."""

    def __init__(self, watch: Watch, out: TextIO, *, as_json: bool) -> None:
        self.watch = watch
        self.out = out
        self.as_json = as_json
        self.phase = NOT_BEGUN
        self._shown: tuple[object, ...] = ()
        self._alarms: dict[str, str] = {}
        self._written = -EVERY_S

    def malformed(self, item: Malformed) -> None:
        """Say that a piece of the stream was passed over."""
        where = f"line {item.line} of the stream" if item.line else "an object of the stream"
        if self.as_json:
            self._json({"malformed": {"line": item.line or None, "reason": item.reason}})
        else:
            self._write([f"{where} was passed over: {item.reason}"])

    def look(self, clock: float, *, last: bool = False) -> None:
        """Write the status if it has changed, or nothing was written for long."""
        status = self.watch.status(clock)
        self.phase = status.phase
        mark: tuple[object, ...] = (status.phase,)
        if status.phase != NOT_BEGUN:
            # What the first node does is worth a line: everybody waits for it.
            mark = (*mark, status.done, *(() if status.done else sorted(status.states)))
        if mark != self._shown or clock - self._written >= EVERY_S or (last and status.phase != DONE):
            self._shown, self._written = mark, clock
            if self.as_json:
                self._json(_data(status))
            else:
                self._write([_line(status)])
        now = {alarm.key: alarm.message for alarm in status.alarms}
        if not self.as_json:
            for alarm in status.alarms:
                if alarm.key not in self._alarms:
                    self._write(_alarm(alarm))
            for key in self._alarms.keys() - now.keys():
                self._write(wrapped(f"{_time(status.now)}  no longer: ", self._alarms[key]))
        self._alarms = now

    def _write(self, lines: Iterable[str]) -> None:
        self.out.writelines(f"{shown(line)}\n" for line in lines)
        self.out.flush()

    def _json(self, data: Mapping[str, Any]) -> None:
        self.out.write(json.dumps(data, ensure_ascii=False) + "\n")
        self.out.flush()


def _time(now: float | None) -> str:
    return "--:--:--" if now is None else datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S")


def _line(status: Status) -> str:
    parts = [f"{_time(status.now)}  {_PHASES[status.phase]}"]
    if status.phase == ROLLING:
        share = f" ({status.done / status.nodes:.0%})" if status.nodes else ""
        parts[0] += f": {status.done} of {status.nodes} nodes{share}"
        busy = [f"{count} {word}" for word, count in sorted(status.states.items()) if word not in ("ready", "old")]
        if busy:
            parts.append(", ".join(busy))
    if status.blocked_for is not None:
        parts.append(f"no new pod starts since {duration(status.blocked_for)}")
    if status.eta is not None and status.now is not None:
        half, most = status.eta
        parts.append(f"over in {duration(half)} (P90 {duration(most)}), at {_time(status.now + half)} UTC")
    return " - ".join(parts)


def _alarm(alarm: Alarm) -> Iterable[str]:
    yield ""
    yield from wrapped("ALARM  ", alarm.message[0].upper() + alarm.message[1:])
    if alarm.answer is not None:
        yield from (f"   {line}" for line in recover.render_text(alarm.answer, Etcd()).splitlines())
    yield ""


def _data(status: Status) -> dict[str, Any]:
    return {
        "version": 1,
        "time": None if status.now is None else datetime.fromtimestamp(status.now, UTC).isoformat(),
        "phase": status.phase,
        "nodes": status.nodes,
        "done": status.done,
        "states": dict(status.states),
        "blocked_for": status.blocked_for,
        "eta": None if status.eta is None else {"p50": round(status.eta[0], 1), "p90": round(status.eta[1], 1)},
        "alarms": [
            {
                "key": alarm.key,
                "message": alarm.message,
                "recovery": None if alarm.answer is None else json.loads(recover.render_json(alarm.answer, Etcd())),
            }
            for alarm in status.alarms
        ],
    }
