"""Init containers of a migration until the version is written, event by event, all runs in step (R8-R11).

One pod at a time starts, but nodes that come back, and pods deleted by hand, start more; they race for the lock. Nobody
is Ready before the version is written, so nothing but the scenario's own instants moves the roll meanwhile. An instant
has the order of `protocol.clock.Phase`: faults and actions, then steps, checks and reads of the nodes in their
processing order, then the controller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.draws import Integers
from simulator.kernel.durations import NEVER
from simulator.kernel.kubelet import Booleans
from simulator.timing import MICRO

if TYPE_CHECKING:
    from simulator.kernel.failing import Attempt, Blow, Roll

Span = tuple[Integers, Integers, Integers]
"""Of some runs: v1 Ready is false from, until."""

_FAR = 2**57
"""Later than anything, and small enough to be multiplied by the number of phases."""

_STEP, _CHECK, _READ, _PHASES = 0, 1, 2, 3

# What the pod of a node does; up to _VERSION its init container or what is before it, and the roll stands still.
_START, _NEEDED, _INPROGRESS, _WAIT, _AGAIN, _VALIDATE, _CLEAR, _REQUERY, _STORE, _STORED, _ABORT, _VERSION = range(12)
_NOTHING = 12
_PHASE = np.array([_STEP, _READ, _READ, _READ, _READ, _CHECK, _STEP, _STEP, _STEP, _STEP, _STEP, _STEP, _STEP])


@dataclass(frozen=True, slots=True)
class _Instant:
    """Something that the scenario names: a blow, or `init_killed` on `node`, `gone`, `announce`, `abort`, `clean`."""

    at: int
    kind: str
    node: int | None = None
    blow: Blow | None = None


class Locks:
    """`version`, `clear` (the first) and `spans` of the lock; `attempts`: all pods up to then."""

    def __init__(self, roll: Roll) -> None:
        from simulator.kernel.failing import Attempt  # it is built on this module

        self.roll, self.kubelet = roll, roll.kubelet
        self.scenario = roll.scenario
        runs, slots = roll.count, roll.slots + 1
        shape = (slots, runs)
        self.state, self.when = np.full(shape, _NOTHING), np.full(shape, _FAR)
        self.begun, self.steps, self.read = (np.zeros(shape, np.int64) for _ in range(3))
        self.base, self.down, self.stored = (np.zeros(shape, np.int64) for _ in range(3))
        self.ends = np.zeros(shape, np.int64)  # how the copy ends: 0 well, 1 with an abort, 2 without
        self.node = np.zeros(shape, np.int64)
        self.rank = np.zeros(shape, np.int64)
        ranks = np.argsort(roll.durations.order, axis=1)
        for blow in roll.blows:
            self.node[blow.slot] = blow.node
            self.rank[blow.slot] = ranks[:, blow.node]
        self.used = np.zeros(shape, bool)  # its pod is not an old one that is Ready
        self.live = [Attempt.none(runs) for _ in range(slots)]  # the present pods, as far as they are past init
        self.attempts: list[Attempt] = [*self.live]
        self.locked, self.since = np.zeros(runs, bool), np.zeros(runs, np.int64)
        self.dirty = np.zeros(runs, bool)
        self.version, self.clear = np.full(runs, NEVER), np.full(runs, NEVER)
        self.spans: list[Span] = []
        self.instants = self._instants()
        self.times = np.array([*(instant.at for instant in self.instants), _FAR])
        self.syncs = np.array([0, *sorted({int(time) for time in roll.gone if time < NEVER}), _FAR])
        self.passed, self.synced = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
        self.last = max((time for fault in self.scenario.faults for time in (fault.at, fault.start, fault.until)
                         if time is not None), default=0)  # fmt: skip
        self.last = max([self.last, *(action.at for action in self.scenario.operator)])
        self.objects = self.scenario.cluster.resources + self.scenario.cluster.ipam

    def _instants(self) -> list[_Instant]:
        """In the order in which the engine takes them (R1)."""
        offs = [_Instant(blow.start, "blow", blow.node, blow) for blow in self.roll.blows if not blow.deleted]
        faults, actions = [], []
        for fault in self.scenario.faults:
            if fault.kind == "init_killed" and fault.at is not None:
                faults.append(_Instant(fault.at, "init_killed", fault.node))
            elif fault.kind == "needed_error":
                faults.append(_Instant(fault.start, "announce"))
        for action in self.scenario.operator:
            if action.kind == "delete_pod":
                own = [
                    blow
                    for blow in self.roll.blows
                    if blow.deleted and (blow.node, blow.start) == (action.node, action.at)
                ]
                actions += [_Instant(action.at, "blow", blow.node, blow) for blow in own[:1]]
            elif action.kind in ("abort", "delete_v3_data", "delete_node"):
                actions.append(_Instant(action.at, action.kind, action.node))
        return sorted([*offs, *faults, *actions], key=lambda instant: instant.at)

    # Event by event ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """To where all init containers that began before the version was written are done."""
        horizon = _FAR - 1 if self.scenario.horizon is None else self.scenario.horizon
        active = np.arange(self.roll.count)
        while active.size:
            named, look = self.times[self.passed[active]], self.syncs[self.synced[active]]
            look = np.where(look < _FAR, look + self.roll.reaction[active], _FAR)
            when = self.when[:, active]
            turn = when * _PHASES + _PHASE[self.state[:, active]]
            first = turn.min(axis=0)
            slot = np.where(turn == first, self.rank[:, active], len(self.node[0]) + self.roll.nodes).argmin(axis=0)
            now = when[slot, np.arange(len(active))]
            soonest = np.minimum(np.minimum(now, named), look)
            goes_on = soonest <= min(horizon, _FAR - 1)
            by_name, by_step = goes_on & (named == soonest), goes_on & (now == soonest) & (named > soonest)
            looks = goes_on & ~by_name & ~by_step
            if by_name.any():
                self._named(active[by_name])
            if by_step.any():
                self._steps(active[by_step], slot[by_step], now[by_step])
            if looks.any():
                self._look(active[looks], look[looks])
            over = (self.version[active] < NEVER) & (self.state[:, active] >= _VERSION).all(axis=0)
            active = active[goes_on & ~over & ~self.roll.odd[active]]
        for attempt in self.attempts:
            attempt.there &= ~self.roll.odd
        locked, end = np.flatnonzero(self.locked), np.full(self.roll.count, NEVER)
        for number, instant in enumerate(self.instants):
            if instant.kind == "abort":  # of those that come later the first
                end = np.where(self.passed <= number, np.minimum(end, instant.at), end)
        self.spans.append((locked, self.since[locked], end[locked]))

    def _named(self, runs: Integers) -> None:
        """What the scenario names."""
        numbers = self.passed[runs]
        self.passed[runs] += 1
        for number in np.unique(numbers):
            some = runs[numbers == number]
            instant = self.instants[number]
            now = np.full(len(some), instant.at)
            if instant.blow is not None:
                self._strike(instant.blow, some, now)
            elif instant.kind == "abort":
                self._unlock(some, now)
            elif instant.kind == "delete_v3_data":
                self.dirty[some] = False
            elif instant.kind == "announce":
                self._announce(some, now)
            elif instant.kind == "delete_node":
                slot = int(self.roll.slot_of[instant.node])
                self.used[slot, some] = False
                self._put(some, np.full(len(some), slot), _NOTHING, np.full(len(some), _FAR))
            else:
                for slot in range(len(self.state)):
                    state = self.state[slot, some]
                    killed = (self.node[slot, some] == instant.node) & (state > _START) & (state < _VERSION)
                    hit = some[killed]
                    self._fail(hit, np.full(len(hit), slot), now[killed])

    def _strike(self, blow: Blow, runs: Integers, now: Integers) -> None:
        """A node goes off, or its pod is deleted."""
        roll, slots, nodes = self.roll, np.full(len(runs), blow.slot), np.full(len(runs), blow.node)
        if blow.deleted:  # its init container lives on for a while, which is nothing if it waits and nothing happens
            state, until = self.state[blow.slot, runs], now + self.kubelet.own("kill", nodes, runs)
            rest = np.delete(self.when[:, runs], blow.slot, axis=0).min(axis=0, initial=_FAR)
            rest = np.minimum(rest, self.times[self.passed[runs]])
            quiet = (state == _WAIT) & (self.when[blow.slot, runs] >= _FAR) & (rest > until)
            roll.odd[runs] |= (state > _START) & (state < _VERSION) & (until > now) & ~quiet
        roll.struck[runs] += 1
        ended = self.live[blow.slot]
        if ended.there[runs].any():  # it stays as what it was
            kept = type(ended).none(roll.count)
            kept.put(runs, ended.of(runs))
            kept.there[runs] = ended.there[runs]
            kept.cut[runs] = now
            self.attempts.append(kept)
        down, begin, base = roll.struck_down(blow, runs)
        self._begin(runs, slots, nodes, down, begin, base)

    def _begin(
        self, runs: Integers, slots: Integers, nodes: Integers, down: Integers, begin: Integers, base: Integers
    ) -> None:
        """A new pod of each run."""
        there = self.roll.images_there(slots, runs)["upgrade"]
        init = self.kubelet.init(begin, nodes, runs, there)
        self.node[slots, runs] = nodes
        self.base[slots, runs], self.down[slots, runs] = base, down
        self.steps[slots, runs] = 0
        self.used[slots, runs] = True
        self._put(runs, slots, _START, init)
        # Until its init container is done it is a pod that never gets Ready.
        for slot in np.unique(slots):
            own = slots == slot
            attempt = self.live[slot]
            some = runs[own]
            attempt.put(some, type(attempt).none(len(some)))
            attempt.there[some], attempt.slot[some] = True, slot
            attempt.down[some], attempt.gone[some] = down[own], self.roll.gone[slot]
            attempt.cut[some] = self.roll.cuts[slot, self.roll.struck[some]]
        for name in ("init", "done", "main", "up"):
            self.roll.before[name][slots, runs] = NEVER

    def _look(self, runs: Integers, now: Integers) -> None:
        """The controller looks; if all pods are available it replaces the next one."""
        roll = self.roll
        self.synced[runs] += 1
        free = ~self.used[:, runs].any(axis=0) & roll.candidate()[runs]
        runs, now = runs[free], now[free]
        if runs.size:
            nodes = roll.durations.order[runs, roll.turn[runs]]
            slots = roll.slot_of[nodes]
            self.rank[slots, runs] = roll.turn[runs]
            begin, base = roll.deleted(runs, nodes, now)
            kill = self.kubelet.own("kill", nodes, runs)
            self._begin(runs, slots, nodes, now + np.maximum(kill, 1), begin, base)

    def _steps(self, runs: Integers, slots: Integers, now: Integers) -> None:
        """What the pod in that slot of each run does next."""
        states = self.state[slots, runs]
        for state in np.unique(states):
            own = states == state
            _STEPS[state](self, runs[own], slots[own], now[own])

    def _put(self, runs: Integers, slots: Integers, state: int, when: Integers) -> None:
        self.state[slots, runs] = state
        self.when[slots, runs] = np.minimum(when, _FAR)

    def _own(self, name: str, runs: Integers, slots: Integers) -> Integers:
        return self.kubelet.own(name, self.node[slots, runs], runs)

    # The init container --------------------------------------------------------------------------------------

    def _start(self, runs: Integers, slots: Integers, now: Integers) -> None:
        self.begun[slots, runs] = now
        for slot in np.unique(slots):  # its image is there
            if slot < self.roll.slots:
                own = runs[slots == slot]
                self.roll.images["upgrade"][slot, own] = np.minimum(
                    self.roll.images["upgrade"][slot, own], now[slots == slot]
                )
        self._put(runs, slots, _NEEDED, now + self._own("needed", runs, slots))

    def _needed(self, runs: Integers, slots: Integers, now: Integers) -> None:
        runs, slots, now = self._asked(runs, slots, now)
        self._put(runs, slots, _INPROGRESS, now + self._own("inprogress", runs, slots))

    def _again(self, runs: Integers, slots: Integers, now: Integers) -> None:
        runs, slots, now = self._asked(runs, slots, now)
        self._put(runs, slots, _VALIDATE, now + self._own("validate", runs, slots))

    def _asked(self, runs: Integers, slots: Integers, now: Integers) -> tuple[Integers, Integers, Integers]:
        """`needed` has been asked; what is left are those that go on."""
        failed = self.kubelet.active("needed_error", now)
        done = ~failed & (self.version[runs] < NEVER)
        self._fail(runs[failed], slots[failed], now[failed])
        self._done(runs[done], slots[done], now[done])
        goes_on = ~failed & ~done
        return runs[goes_on], slots[goes_on], now[goes_on]

    def _inprogress(self, runs: Integers, slots: Integers, now: Integers) -> None:
        # The script does not look at the error of its very first `inprogress` and goes on.
        waits = self._in_progress(runs) & ~self.kubelet.active("needed_error", now)
        self._wait_or_go_on(runs, slots, now, waits)

    def _polled(self, runs: Integers, slots: Integers, now: Integers) -> None:
        failed = self.kubelet.active("needed_error", now)
        self._fail(runs[failed], slots[failed], now[failed])
        runs, slots, now = runs[~failed], slots[~failed], now[~failed]
        self._wait_or_go_on(runs, slots, now, self._in_progress(runs))

    def _in_progress(self, runs: Integers) -> Booleans:
        answer: Booleans = self.locked[runs] & (self.version[runs] >= NEVER)
        return answer

    def _wait_or_go_on(self, runs: Integers, slots: Integers, now: Integers, waits: Booleans) -> None:
        self.read[slots[waits], runs[waits]] = now[waits]
        self._put(runs[waits], slots[waits], _WAIT, np.full(int(waits.sum()), _FAR))
        runs, slots, now = runs[~waits], slots[~waits], now[~waits]
        self._put(runs, slots, _AGAIN, now + self._own("needed", runs, slots))

    def _validated(self, runs: Integers, slots: Integers, now: Integers) -> None:
        broken = self.kubelet.active("needed_error", now) | self.kubelet.active("conversion_error", now)
        broken |= self.dirty[runs] | self.locked[runs]
        self._fail(runs[broken], slots[broken], now[broken])
        runs, slots, now = runs[~broken], slots[~broken], now[~broken]
        clear = np.broadcast_to(self._own("clear", runs, slots), runs.shape)
        self._put(runs, slots, _CLEAR, now + clear)
        at_once = clear == 0
        self._cleared(runs[at_once], slots[at_once], now[at_once])

    def _cleared(self, runs: Integers, slots: Integers, now: Integers) -> None:
        new = ~self.locked[runs]
        self.locked[runs] = True
        self.since[runs[new]] = now[new]
        self.clear[runs] = np.minimum(self.clear[runs], now)
        self._put(runs, slots, _REQUERY, now + self._own("pause", runs, slots) + self._own("requery", runs, slots))

    def _queried(self, runs: Integers, slots: Integers, now: Integers) -> None:
        broken = self.kubelet.active("conversion_error", now)
        self._unlock(runs[broken], now[broken])
        self._fail(runs[broken], slots[broken], now[broken])
        runs, slots, now = runs[~broken], slots[~broken], now[~broken]
        last, ends = np.full(len(runs), self.objects), np.zeros(len(runs), np.int64)
        for fault in sorted(self.kubelet.windows("store_fails"), key=lambda fault: -(fault.object or 0)):
            if fault.object is not None and fault.object <= self.objects:
                time = self._written(fault.object, runs, slots, now)
                hit = (time >= fault.start) & (time < (NEVER if fault.until is None else fault.until))
                last = np.where(hit, fault.object, last)
                ends = np.where(hit, 2 if fault.abort_fails else 1, ends)
        self.ends[slots, runs] = ends
        stored = self._written(last, runs, slots, now)
        self.stored[slots, runs] = stored
        writes = (ends == 0) | (last > 1)
        first = self._written(1, runs, slots, now)
        self._put(runs, slots, _STORE, first)
        self._put(runs[~writes], slots[~writes], _STORED, stored[~writes])

    def _written(self, number: Integers | int, runs: Integers, slots: Integers, begin: Integers) -> Integers:
        """When that object is written."""
        rate = self._own("store_rate", runs, slots)
        time: Integers = begin + (2 * number * MICRO * MICRO + rate) // (2 * rate)
        return time

    def _stores(self, runs: Integers, slots: Integers, _: Integers) -> None:
        self.dirty[runs] = True
        self._put(runs, slots, _STORED, self.stored[slots, runs])

    def _ended(self, runs: Integers, slots: Integers, now: Integers) -> None:
        ends = self.ends[slots, runs]
        well, unlocks, stays = ends == 0, ends == 1, ends == 2
        self._done(runs[well], slots[well], now[well])
        self._unlock(runs[unlocks], now[unlocks])
        self._fail(runs[unlocks], slots[unlocks], now[unlocks])
        runs, slots, now = runs[stays], slots[stays], now[stays]
        self._put(runs, slots, _ABORT, now + self.kubelet.cluster("abort_failed_run", runs))

    def _fail(self, runs: Integers, slots: Integers, now: Integers) -> None:
        if not runs.size:
            return
        self.roll.failure[runs] = np.minimum(self.roll.failure[runs], now)
        begun = self.begun[slots, runs]
        wait, self.steps[slots, runs] = self.kubelet.waits(now - begun, self.steps[slots, runs], runs)
        self._put(runs, slots, _START, now + wait)
        # Where nothing can change any more it goes on like this.
        migrates = (self.state[:, runs] >= _CLEAR) & (self.state[:, runs] <= _VERSION)
        others = (migrates & (self.when[:, runs] < _FAR)).any(axis=0)
        fails = self.kubelet.active("needed_error", now) | (~self.locked[runs] & (self.version[runs] >= NEVER))
        ever = (begun > self.last) & ~others & fails
        if self.scenario.horizon is None:
            # It even locks and unlocks for ever if nothing is written: only the engine knows how often it counts.
            self.roll.odd[runs] |= ever & ~self.dirty[runs] & (self.ends[slots, runs] > 0)
        else:
            ever &= self.dirty[runs] | (self.ends[slots, runs] == 0)
        self._put(runs[ever], slots[ever], _NOTHING, np.full(int(ever.sum()), _FAR))

    def _done(self, runs: Integers, slots: Integers, now: Integers) -> None:
        if not runs.size:
            return
        nodes = self.node[slots, runs]
        for slot in np.unique(slots):
            own = slots == slot
            some = runs[own]
            there = self.roll.images_there(slots[own], some)
            started = self.kubelet.started(now[own], nodes[own], some, there["node"], there["cni"])
            base, down, begun = (values[slot, some] for values in (self.base, self.down, self.begun))
            attempt = self.roll.made(some, nodes[own], base, down, begun, now[own], started)
            self.live[slot].put(some, attempt)
            version = started.main + self.kubelet.own("ensure_initialized", nodes[own], some)
            written = np.where(version < attempt.cut, version, _FAR)
            known = self.version[some] < NEVER
            self._put(some, slots[own], _VERSION, np.where(known, _FAR, written))

    def _write_version(self, runs: Integers, slots: Integers, now: Integers) -> None:
        new = self.version[runs] >= NEVER
        self.version[runs[new]] = now[new]
        self._put(runs, slots, _VERSION, np.full(len(runs), _FAR))
        self._announce(runs[new], now[new])

    # The lock ------------------------------------------------------------------------------------------------

    def _unlock(self, runs: Integers, now: Integers) -> None:
        held = self.locked[runs]
        runs, now = runs[held], now[held]
        if runs.size:
            self.locked[runs] = False
            self.spans.append((runs, self.since[runs], now))
            self._announce(runs, now)

    def _announce(self, runs: Integers, now: Integers) -> None:
        """Those who wait look again at the first turn that sees what has changed."""
        for slot in range(len(self.state)):
            waits = (self.state[slot, runs] == _WAIT) & (self.when[slot, runs] >= _FAR)
            some, slots = runs[waits], np.full(int(waits.sum()), slot)
            if some.size:
                turn = self.kubelet.cluster("script_poll", some) + self._own("inprogress", some, slots)
                read = self.read[slot, some]
                self.when[slot, some] = read + np.maximum(1, -((read - now[waits]) // turn)) * turn


_STEPS = {
    _START: Locks._start,
    _NEEDED: Locks._needed,
    _INPROGRESS: Locks._inprogress,
    _WAIT: Locks._polled,
    _AGAIN: Locks._again,
    _VALIDATE: Locks._validated,
    _CLEAR: Locks._cleared,
    _REQUERY: Locks._queried,
    _STORE: Locks._stores,
    _STORED: Locks._ended,
    _ABORT: Locks._fail,
    _VERSION: Locks._write_version,
}
