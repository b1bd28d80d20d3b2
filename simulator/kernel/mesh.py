"""The roll where pods wait for each other's BGP sessions (R15), event after event, all runs in step.

A pod that is younger than `bird_threshold` is Ready at a probe only if all sessions are Established; when it is older,
one is enough, and that one there is. Sessions are not kept as pairs, and BIRDs not even counted: all of them are
Established from `whole` on, `bgp_session` after the newest BIRD came up, until the next one goes down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.draws import Integers
from simulator.kernel.durations import NEVER, ceil_grid

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


FIELDS = ("ready", "felix", "cni", "zero", "down", "up")


def roll(
    first: Pods, rest: Integers, starts: Integers, session: Integers, reaction: Integers, period: Integers
) -> tuple[Integers, Integers, Booleans]:
    """Deletions and Ready [run, rank], and the runs in which the BIRDs' story is too involved for this.

    `first` are the pods that are deleted at `starts`; the instants of the `rest`, which count from their deletions, are
    [run, rank, field] as `FIELDS` has it: what belongs to one pod lies together, since each run fetches another one.
    """
    return _Roll(first, rest, starts, session, reaction, period).run()


class _Roll:
    """The places that pods under way take, [place, run], and what is next in each run."""

    def __init__(
        self, first: Pods, rest: Integers, starts: Integers, session: Integers, reaction: Integers, period: Integers
    ) -> None:
        runs, places = first.ready.shape
        count = places + rest.shape[1]
        self.session, self.reaction, self.period = session, reaction, period
        self.rest = rest
        self.count, self.places, self.runs = count, places, runs
        self.starts = np.empty((runs, count), np.int64)
        self.starts[:, :places] = starts
        self.ended = np.empty((runs, count), np.int64)
        self.under_way = np.ascontiguousarray(np.stack((first.ready.T, first.felix.T, first.cni.T, first.zero.T)))
        self.ready, self.felix, self.cni, self.zero = self.under_way  # views of it
        self.rank = np.repeat(np.arange(places)[:, None], runs, axis=1)
        self.idle = np.zeros((places, runs), np.int64)  # the places that are free, `free` of them
        self.free = np.zeros(runs, np.int64)
        self.next = np.full(runs, places)  # the next rank to be deleted
        established = first.up + session[:, None]
        self.odd = first.down.max(axis=1) > established.min(axis=1)
        self.whole = established.max(axis=1)
        self.until = np.full(runs, NEVER)  # the next BIRD goes down
        self.after = np.zeros(runs, np.int64)  # `whole` from then on
        self.now = np.zeros(runs, np.int64)
        self.seen = np.full((count + 1, runs), NEVER)  # all instants at which a pod got Ready
        self.looks = np.zeros(runs, np.int64)  # of these, the one that the next look follows
        self.freed = np.zeros(runs, np.int64)  # how many there are
        self.look = np.full(runs, NEVER)  # the next look that deletes

    def run(self) -> tuple[Integers, Integers, Booleans]:
        columns = np.arange(self.runs)
        flat = self.ready.reshape(-1)
        while True:
            place = self.ready.argmin(axis=0)
            time = flat.take(place * self.runs + columns)
            soon = np.minimum(time, self.look)
            open_ = np.maximum(self.whole, self.now) <= np.minimum(soon, self.until - 1)
            open_ &= soon < NEVER
            waiting = self._earlier(np.flatnonzero(open_), soon) if open_.any() else open_
            closing = (self.until <= soon) & (self.until < NEVER) & ~waiting
            if closing.any():
                self.whole[closing] = np.maximum(self.whole, self.after)[closing]
                self.until[closing], self.after[closing] = NEVER, 0
                waiting = waiting | closing
            happens = (time <= self.look) & (time < NEVER) & ~waiting
            deletes = (self.look < time) & ~waiting
            chosen = np.flatnonzero(happens)
            if chosen.size:
                self._gets_ready(chosen, place[chosen], time[chosen])
            others = np.flatnonzero(deletes)
            if others.size:
                self._delete(others)
            elif not chosen.size and not waiting.any():
                return self.starts, self.ended, self.odd

    def _earlier(self, runs: Integers, soon: Integers) -> Booleans:
        """All sessions are there: the pods whose next probe is the first to see it. Whether there are any."""
        since = np.maximum(self.whole, self.now)[runs]
        probe = ceil_grid(self.zero[:, runs], self.period, np.maximum(self.felix[:, runs], since))
        ready, before = np.maximum(probe, self.cni[:, runs]), self.ready[:, runs]
        probe[ready >= before] = NEVER
        first = probe.min(axis=0)
        sooner = (probe == first) & (first <= np.minimum(soon[runs], self.until[runs] - 1))
        before[sooner] = ready[sooner]
        found = sooner.any(axis=0)
        some = runs[found]
        self.ready[:, some] = before[:, found]
        self.now[some] = first[found]
        answer = np.zeros(self.runs, bool)
        answer[some] = True
        return answer

    def _gets_ready(self, runs: Integers, place: Integers, time: Integers) -> None:
        self.ended[runs, self.rank[place, runs]] = time
        self.under_way[:2, place, runs] = NEVER
        self.now[runs] = time
        self.seen[self.freed[runs], runs] = time
        self.freed[runs] += 1
        self.idle[self.free[runs], runs] = place
        self.free[runs] += 1
        news = (self.free[runs] == 1) & (self.next[runs] < self.count)
        if news.any():
            runs, earliest = runs[news], time[news] - self.reaction[runs[news]]
            look = self.looks[runs]
            while (early := self.seen[look, runs] < earliest).any():
                look = look + early
            self.looks[runs] = look
            self.look[runs] = self.seen[look, runs] + self.reaction[runs]

    def _delete(self, runs: Integers) -> None:
        rank, begin = self.next[runs], self.look[runs]
        self.starts[runs, rank] = begin
        self.now[runs] = begin
        pod = self.rest[runs, rank - self.places].T + begin
        down, established = pod[4], pod[5] + self.session[runs]
        whole, until, after = self.whole[runs], self.until[runs], self.after[runs]
        later = down > whole  # until then all sessions may be there
        self.odd[runs] |= later & (after > 0) & (down > after)
        after = np.where(later, np.maximum(after, established), after)
        until = np.where(later, np.minimum(until, down), until)
        whole = np.where(later, whole, np.maximum(whole, established))
        over = whole >= until
        self.whole[runs] = np.where(over, np.maximum(whole, after), whole)
        self.until[runs] = np.where(over, NEVER, until)
        self.after[runs] = np.where(over, 0, after)
        self.free[runs] -= 1
        place = self.idle[self.free[runs], runs]
        self.rank[place, runs] = rank
        self.under_way[:, place, runs] = pod[:4]
        self.next[runs] += 1
        self.look[runs] = np.where((self.free[runs] > 0) & (self.next[runs] < self.count), begin, NEVER)
