"""The DaemonSet controller, look after look, all runs in step (R3; `docs/scenario-extensions.md`, L1-L5).

This is for the runs in which the order of events decides: where the controller's calls wait, or pods for each other.

A pod that is younger than `bird_threshold` is Ready at a probe only if all BGP sessions are Established (R15); when it
is older, one is enough, and that one there is. Sessions are not kept as pairs, and BIRDs not even counted: all of them
are Established from `whole` on, `bgp_session` after the newest BIRD came up, until the next one goes down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.draws import Integers
from simulator.kernel.durations import NEVER, ceil_grid
from simulator.kernel.limits import Calls, Syncs
from simulator.kernel.schedule import merge
from simulator.protocol.apiserver import BURST_REPLICAS

Booleans = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Pods:
    """Instants of pods [run, rank]: `down` and `up` of the node's BIRD, `felix` reports ready, install-cni runs.

    `zero` is the first probe, `ready` when the pod is Ready at the latest, which is by its age.
    """

    down: Integers
    up: Integers
    felix: Integers
    cni: Integers
    zero: Integers
    ready: Integers


FIELDS = ("kill", "up", "felix", "cni", "zero")
"""Durations of a pod: the old one's end, from its own begin to `up`, from there to `felix` and `cni`, to the probe."""


@dataclass(slots=True)
class Rolls:
    """What is known of some runs before the controller looks for the first time.

    `first` are the pods that can be deleted before any is Ready, at `deleted`, with new ones `created` [run, rank].
    `rest` [run, rank, field] holds all pods' durations as `FIELDS` has it: what belongs to one pod lies together, since
    each run fetches another one. `period` is (1, 1), or [run, rank]. The others are one value a run; `wait`: from `up`
    until a pod has peers enough by its age.
    """

    first: Pods
    deleted: Integers
    created: Integers
    rest: npt.NDArray[np.integer]
    period: Integers
    latency: Integers
    wait: Integers
    session: Integers
    reaction: Integers
    calls: Calls
    started: Callable[[Integers, Integers, Integers], tuple[Integers, Integers]] | None = None
    """From (run, rank, instant) of pods that begin to `up` and `cni`, where more than their durations decides."""


class Played(NamedTuple):
    """Instants [run, rank], and the runs whose story is too involved for this."""

    deleted: Integers
    created: Integers
    ready: Integers
    odd: Booleans


def play(rolls: Rolls, coupled: bool) -> Played:
    """Deletions, creations and Ready of all pods. `coupled`: young pods may see all sessions."""
    return _Controller(rolls, coupled).run()


class _Made(NamedTuple):
    """New pods: the run and the number in the sync of each, the pod, its deletion and its creation."""

    runs: Integers
    item: Integers
    pods: Integers
    deleted: Integers
    created: Integers


_IN_STEP = 0.7
"""As long as more than this share of the runs can go on, the others wait for the list to be completed."""


_AHEAD = np.arange(6)[:, None]
"""So many places of the lists are read at once."""


class _Controller:
    """The runs in step.

    By its age a pod is not Ready before `soonest` after its creation. So the list of those under way is complete up to
    the next look and `soonest`; as far as that the runs go on without a thought of single pods. A look that finds
    nothing to replace has no effect, and is left out.
    """

    def __init__(self, rolls: Rolls, coupled: bool) -> None:
        self.rolls, self.calls = rolls, None if rolls.calls.endless else rolls.calls
        runs, self.count = rolls.rest.shape[:2]
        self.places = rolls.first.ready.shape[1]
        self.rest = rolls.rest.reshape(runs * self.count, -1)
        self.deleted, self.created, self.ready = (np.full(runs * self.count, NEVER) for _ in range(3))
        self.odd = np.zeros(runs, bool)
        self.begins = np.arange(runs) * self.count
        self.ends = self.begins + self.count
        self.next = self.begins.copy()  # the next pod to be deleted
        self.listed = self.begins.copy()  # the first that is not in the list
        self.free = np.full(runs, self.places)  # places
        self.free_at = rolls.reaction.copy()  # the end of the last sync
        self.syncs: list[tuple[Syncs, Integers]] = []  # whose pods have not been spelt out, with the first of each
        self.made: list[_Made] = []  # the pods that are not in the list
        _, up, felix, _, _ = np.moveaxis(rolls.rest, 2, 0)
        after = up + np.maximum(felix, rolls.wait[:, None])
        self.soonest = rolls.latency + after.min(axis=1)
        self.sure = rolls.reaction + self.soonest  # the list is complete up to this
        self.list = np.full((runs, len(_AHEAD)), NEVER)  # when pods get Ready, in order; the last columns are free
        self.flat = self.list.reshape(-1)
        self.place = np.arange(0, self.list.size, len(_AHEAD))  # in `flat`, of the first that is not counted
        self.sessions = _Sessions(self) if coupled else None

    def run(self) -> Played:
        live = np.ones(len(self.free), bool)  # there is more to replace
        look = self.rolls.reaction.copy()  # -1: not before the list is longer
        while live.any():
            while True:
                self._act(look)
                live &= self.next < self.ends
                active = (look >= 0) & live
                following, known = self._decide(active)
                look = np.where(active & known & (following < self.sure), following, -1)
                if np.count_nonzero(look >= 0) <= _IN_STEP * np.count_nonzero(live):
                    break
            self._list()
            self.sure[:] = NEVER
            look, _ = self._decide(live)
            live &= look < NEVER - 1  # else no pod gets Ready any more
            self.sure = look + self.soonest
            look[~live] = -1
        if self.sessions is not None:
            self.sessions.settle_all()
        deleted, created, ready = (item.reshape(-1, self.count) for item in (self.deleted, self.created, self.ready))
        return Played(deleted, created, ready, self.odd)

    def _act(self, look: Integers) -> None:
        """The controller looks, and replaces what it may."""
        while True:
            counted = (self.flat.take(self.place + _AHEAD) <= look).sum(axis=0)
            self.place += counted
            self.free += counted
            if counted.max() < len(_AHEAD):
                break
        size = np.minimum(self.free, self.ends - self.next)
        size *= look >= 0
        if self.calls:
            np.minimum(size, BURST_REPLICAS, out=size)
            syncs, end = self.calls.sync(look, size)
            self.free_at = np.where(size > 0, end, self.free_at)
        else:
            syncs = Syncs(look, size, look)
            self.free_at = np.maximum(self.free_at, look)
        self.syncs.append((syncs, self.next))
        self.free -= size
        self.next = self.next + size
        if self.sessions is not None:
            rows, item, pods, deleted, created = self._spell()
            if len(rows):
                self.sessions.add(rows, item, *self._birds(rows, pods, deleted, created))

    def _spell(self) -> _Made:
        """The pods of the syncs since this was asked the last time."""
        count = np.concatenate([syncs.deleted for syncs, _ in self.syncs])
        some = count.nonzero()[0]
        count = count.take(some)
        look = np.concatenate([syncs.look for syncs, _ in self.syncs]).take(some)
        first = np.concatenate([pods for _, pods in self.syncs]).take(some)
        runs = some % len(self.free)
        which, item = _items(count)
        if self.calls:
            empty_at = np.concatenate([syncs.empty_at for syncs, _ in self.syncs]).take(some)
            deleted, created = self.calls.spelt(Syncs(look, count, empty_at), runs, which, item)
        else:
            deleted = created = look.take(which)
        self.syncs.clear()
        self.made.append(_Made(runs.take(which), item, first.take(which) + item, deleted, created))
        return self.made[-1]

    def _decide(self, active: Booleans) -> tuple[Integers, Booleans]:
        """The next look, and whether the list is complete enough to say so."""
        reaction, free_at = self.rolls.reaction, self.free_at
        first = self.flat.take(self.place)
        at_once = (self.free > 0) | (first <= free_at)
        following = free_at.copy()
        later = (active & ~at_once).nonzero()[0]
        if later.size:
            following[later] = np.minimum(self._wake(later, first), NEVER - 1 - reaction[later]) + reaction[later]
        known = at_once | (first < self.sure)
        if self.sessions is not None:
            self.sessions.hasten(active, following, known)
        return following, known

    def _wake(self, runs: Integers, first: Integers) -> Integers:
        """Which Ready makes the controller look when `first`, the next one that matters, has just been, or later."""
        place, wake = self.place.take(runs), first.take(runs)
        latest, since = wake, wake - self.rolls.reaction.take(runs)
        while True:
            place = place - len(_AHEAD)
            before = self.flat.take(place + _AHEAD, mode="wrap")  # what is of another run is later, or long ago
            matters = (before >= since) & (before < latest)
            wake = np.asarray(np.where(matters, before, wake).min(axis=0))
            if not np.count_nonzero(matters[0]):
                return wake

    def _list(self) -> None:
        """Put all pods that have been created into the list, and drop what no look can follow any more."""
        if self.syncs:
            self._spell()
        _, _, pods, deleted, created = map(np.concatenate, zip(*self.made, strict=True))
        self.made.clear()
        self.deleted[pods], self.created[pods] = deleted, created
        number = self.next - self.listed
        rows, item = _items(number)
        pods = self.listed.take(rows) + item
        self.listed = self.next.copy()
        new = self.pods(rows, pods)
        self.ready[pods] = new.ready
        place = self.place - np.arange(0, self.list.size, self.list.shape[1])
        columns = np.arange(self.list.shape[1])
        now = np.where(place > 0, self.flat.take(self.place - 1), -NEVER)  # the last that is counted
        kept = (columns >= place[:, None]) | (self.list > (now - self.rolls.reaction)[:, None])
        old = len(columns)
        several = np.full((len(number), old + int(number.max()) + len(_AHEAD)), NEVER)
        several[:, :old] = np.where(kept, self.list, NEVER)
        several[rows, old + item] = new.ready
        if self.sessions is not None:
            several = self.sessions.list(several, rows, pods, old + item)
        else:
            merge(several, old)
        self.list = np.ascontiguousarray(several[:, : _width(several)])
        self.flat = self.list.reshape(-1)
        self.place = np.arange(0, self.list.size, self.list.shape[1])
        self.place += (kept & (columns < place[:, None])).sum(axis=1)

    def _birds(self, rows: Integers, pods: Integers, deleted: Integers, created: Integers) -> tuple[Integers, Integers]:
        """`Pods.down` and `Pods.up` of pods that are replaced."""
        rolls = self.rolls
        kill, up = self.rest[pods, :2].T
        down = deleted + np.maximum(kill, 1)
        begin = np.maximum(deleted + kill, created + rolls.latency.take(rows))
        up, _ = self._started(rows, pods, begin, up)
        early, row, rank = self._early(rows, pods, deleted, created)
        if early.size:
            down[early], up[early] = rolls.first.down[row, rank], rolls.first.up[row, rank]
        return down, up

    def pods(self, rows: Integers, pods: Integers) -> Pods:
        """The instants of pods that have been replaced; `rows` says which run each of them is of."""
        rolls, first = self.rolls, self.rolls.first
        deleted, created = self.deleted[pods], self.created[pods]
        kill, up, felix, cni, zero = self.rest[pods].T
        begin = np.maximum(deleted + kill, created + rolls.latency[rows])
        up, cni = self._started(rows, pods, begin, up, cni)
        new = Pods(deleted + np.maximum(kill, 1), up, up + felix, cni, created + zero, up)
        able = np.maximum(new.felix, up + rolls.wait[rows])
        new.ready = np.minimum(np.maximum(ceil_grid(new.zero, self.period(pods), able), new.cni), NEVER)
        early, row, rank = self._early(rows, pods, deleted, created)
        if early.size:
            for name in ("down", "up", "felix", "cni", "zero", "ready"):
                getattr(new, name)[early] = getattr(first, name)[row, rank]
        return new

    def _started(
        self, rows: Integers, pods: Integers, begin: Integers, up: Integers, cni: Integers | int = 0
    ) -> tuple[Integers, Integers]:
        """`Pods.up` and `Pods.cni` of pods that begin then, from the durations `up` and `cni`."""
        if self.rolls.started is not None:
            return self.rolls.started(rows, pods - self.begins.take(rows), begin)
        up = begin + up
        return up, up + cni

    def _early(
        self, rows: Integers, pods: Integers, deleted: Integers, created: Integers
    ) -> tuple[Integers, Integers, Integers]:
        """Which of these are as they are known from the beginning, with their runs and ranks there."""
        rank = pods - self.begins.take(rows)
        early = np.flatnonzero(rank < self.places)
        row, rank = rows[early], rank[early]
        same = (self.rolls.deleted[row, rank] == deleted[early]) & (self.rolls.created[row, rank] == created[early])
        return early[same], row[same], rank[same]

    def period(self, pods: Integers) -> Integers:
        """The readiness periods of some pods."""
        period = self.rolls.period
        return period.reshape(-1) if period.size == 1 else period.reshape(-1)[pods]


def _width(several: Integers) -> int:
    """The columns that are needed, those at the end included."""
    return int((several < NEVER).sum(axis=1).max()) + len(_AHEAD)


def _items(number: Integers) -> tuple[Integers, Integers]:
    """For so many items in each run: which run each is of, and which of its items it is."""
    rows = np.repeat(np.arange(len(number)), number)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(number) - number, number)


class _Sessions:
    """When all sessions of a run are Established: from `whole` to `until`, and again from `after`, if that is not 0."""

    def __init__(self, controller: _Controller) -> None:
        self.controller, rolls = controller, controller.rolls
        self.session = rolls.session
        runs = len(self.session)
        self.listed = np.zeros((runs, len(_AHEAD)), np.int64)  # the pods in the list
        self.whole = np.full(runs, -1)
        self.until = np.full(runs, NEVER)
        self.after = np.zeros(runs, np.int64)

    def add(self, rows: Integers, item: Integers, down: Integers, up: Integers) -> None:
        """Pods are replaced, whose BIRDs go `down` and come `up`. What this cannot hold makes a run odd."""
        established = up + self.session.take(rows)
        if not np.count_nonzero(item):
            self._add(rows, down, established)
            return
        begins = np.flatnonzero(item == 0)
        runs, earliest = rows[begins], np.minimum.reduceat(down, begins)
        latest = np.maximum.reduceat(established, begins)
        # Mostly there is an instant at which all of them are down: then they are as one.
        one = np.maximum.reduceat(down, begins) <= np.minimum.reduceat(established, begins)
        self._add(runs[one], earliest[one], latest[one])
        several = np.zeros(len(self.whole), bool)
        several[runs[~one]] = True
        others = np.flatnonzero(several[rows])
        for number in range(int(item[others].max(initial=-1)) + 1):
            own = others[item[others] == number]
            self._add(rows[own], down[own], established[own])

    def _add(self, runs: Integers, down: Integers, established: Integers) -> None:
        whole, until, after = self.whole.take(runs), self.until.take(runs), self.after.take(runs)
        later = down > whole  # until then all sessions may be there
        if not np.count_nonzero(later) and not np.count_nonzero(after):
            self.whole[runs] = np.maximum(whole, established)
            return
        self.controller.odd[runs] |= later & (after > 0) & ((down > after) | (established < until))
        after = np.where(later, np.maximum(after, established), after)
        until = np.where(later, np.minimum(until, down), until)
        whole = np.where(later, whole, np.maximum(whole, established))
        over = whole >= until
        self.whole[runs] = np.where(over, np.maximum(whole, after), whole)
        self.until[runs] = np.where(over, NEVER, until)
        self.after[runs] = np.where(over, 0, after)

    def list(self, several: Integers, rows: Integers, pods: Integers, column: Integers) -> Integers:
        """The list of all instants, in order; `pods` have just come, in the columns named."""
        listed = np.zeros_like(several)
        listed[:, : self.listed.shape[1]] = self.listed
        listed[rows, column] = pods
        order = several.argsort(axis=1, kind="stable")
        several = np.take_along_axis(several, order, axis=1)
        self.listed = np.take_along_axis(listed, order, axis=1)[:, : _width(several)]
        return several

    def hasten(self, active: Booleans, following: Integers, known: Booleans) -> None:
        """Where all sessions are there for a while, pods get Ready sooner, and the controller looks sooner for it.

        What is certain of that, because it happens before the controller looks, is put into its list.
        """
        control = self.controller
        open_ = self.whole <= np.minimum(following, self.until - 1)
        open_ &= active
        late = open_ & (control.listed < control.next)
        if np.count_nonzero(late):  # what is not in the list may get Ready as well
            known &= ~late
            open_ &= ~late
        rows = np.flatnonzero(open_)
        width = control.list.shape[1]
        columns = np.arange(width)
        while rows.size:
            whole, until = self.whole[rows], self.until[rows]
            times, pods = control.list[rows], self.listed[rows]
            pods = np.where(times < NEVER, pods, control.begins[rows][:, None])
            of = control.pods(np.repeat(rows, width), pods.reshape(-1))
            felix, cni, zero = (item.reshape(pods.shape) for item in (of.felix, of.cni, of.zero))
            probe = ceil_grid(zero, control.period(pods), np.maximum(felix, whole[:, None]))
            ready = np.maximum(probe, cni)
            place = (control.place[rows] - rows * width)[:, None]
            counts = (probe < until[:, None]) & (ready < times) & (times < NEVER) & (columns >= place)
            if np.count_nonzero(counts):
                sooner = np.where(counts, ready, times)
                self._look(rows, sooner, place, following, known)
                counts &= probe <= following[rows, None]
                counts &= known[rows, None]
                some = np.flatnonzero(counts.any(axis=1))
                line, column = np.nonzero(counts)
                control.ready[pods[line, column]] = ready[line, column]
                changed = np.where(counts, ready, times)[some]
                order = changed.argsort(axis=1, kind="stable")
                control.list[rows[some]] = np.take_along_axis(changed, order, axis=1)
                self.listed[rows[some]] = np.take_along_axis(pods[some], order, axis=1)
            rows = rows[(until <= following[rows]) & known[rows]]
            self.whole[rows] = np.maximum(self.whole[rows], self.after[rows])
            self.until[rows], self.after[rows] = NEVER, 0
            rows = rows[self.whole[rows] <= following[rows]]

    def _look(self, rows: Integers, times: Integers, place: Integers, following: Integers, known: Booleans) -> None:
        """When the controller looks if pods get Ready at these times; those before `place` have been counted."""
        control = self.controller
        free_at, reaction = control.free_at[rows], control.rolls.reaction[rows]
        first = np.where(np.arange(times.shape[1]) >= place, times, NEVER).min(axis=1)
        wake = np.where(times >= (first - reaction)[:, None], times, NEVER).min(axis=1)
        at_once = (control.free[rows] > 0) | (first <= free_at)
        following[rows] = np.where(at_once, free_at, np.minimum(wake, NEVER - 1 - reaction) + reaction)
        known[rows] = at_once | (first < control.sure[rows])

    def settle_all(self) -> None:
        """Nothing is replaced any more: the rest of the pods."""
        control, runs = self.controller, len(self.whole)
        control.free[:], control.free_at[:] = 1, NEVER - 1
        self.hasten(np.ones(runs, bool), control.free_at.copy(), np.ones(runs, bool))
