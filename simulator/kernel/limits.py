"""The API server's limit for the DaemonSet controller, for many runs at once, and whether it ever matters.

`docs/scenario-extensions.md`, L1-L5: a sync that deletes m pods makes m deletions, m creations and two status updates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.draws import Integers
from simulator.protocol.apiserver import BURST_REPLICAS
from simulator.timing import MICRO

if TYPE_CHECKING:
    from simulator.kernel.durations import Durations
    from simulator.scenario import Scenario

Booleans = npt.NDArray[np.bool_]

_NONE = np.empty(0, np.int64)


def exceeded_at_once(scenario: Scenario) -> bool:
    """Whether the calls of the very first sync already wait, or take time."""
    timing = scenario.timing
    calls = 2 * scenario.cluster.at_once + 2
    return bool(timing["slow_start"] or (timing["api_qps"] and calls > max(1, timing["api_burst"])))


class Syncs(NamedTuple):
    """Syncs of the controller: when it looks, how many pods it deletes, and when the bucket is empty."""

    look: Integers
    deleted: Integers
    empty_at: Integers


class Calls:
    """The controller's calls, one entry a run: a token bucket, and batches of creations (`protocol.apiserver`)."""

    def __init__(self, interval: Integers, full: Integers, slow_start: Integers) -> None:
        self.interval, self.full, self.slow_start = interval, full, slow_start
        self.slow = bool(slow_start.any())
        self.endless = not (self.slow or interval.any())  # none ever waits
        self._empty_at = -full

    @classmethod
    def of(cls, durations: Durations) -> Calls:
        """Those of a scenario's runs, before the first call."""
        qps = durations.cluster("api_qps")
        free = qps == 0
        interval = np.where(free, 0, np.rint(MICRO * MICRO / np.where(free, 1, qps)).astype(np.int64))
        return cls(interval, np.maximum(1, durations.cluster("api_burst")) * interval, durations.cluster("slow_start"))

    def of_runs(self, runs: Integers) -> Calls:
        """Those of some of the runs, before the first call."""
        return Calls(self.interval[runs], self.full[runs], self.slow_start[runs])

    @classmethod
    def joined(cls, parts: list[Calls]) -> Calls:
        """Those of all parts, in their order, before the first call."""
        names = ("interval", "full", "slow_start")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def exceeded_at_once(self, at_once: int) -> Booleans:
        """Whether the calls of the very first sync wait, or take time."""
        return (self.slow_start > 0) | ((2 * at_once + 2) * self.interval > self.full)

    def may_wait(self, ready: Integers, at_once: int) -> Booleans:
        """Runs in which a call may wait: all in which one does, and a few more. `ready` [run, pod]: when it is Ready.

        Each Ready lets the controller sync: it takes four calls at most, as it frees the place of one pod. In a bucket
        of B tokens that gets one each T no call waits if no span of time from one sync to another holds more than
        B + span / T.
        """
        if not self.interval.any():
            return np.zeros(len(ready), bool)
        interval = self.interval[:, None]
        syncs = ready if at_once == 1 else np.sort(ready, axis=1)
        first = 2 * at_once + 2
        after = (first + 4 * np.arange(1, ready.shape[1] + 1)) * interval - syncs  # calls so far, less what was earned
        before = after - 4 * interval
        lowest = np.minimum(np.minimum.accumulate(before, axis=1), 0)  # 0: the first sync is the start
        waits: Booleans = (after - lowest).max(axis=1) > self.full
        return waits & (self.interval > 0)

    def first_wave(self, begin: Integers, count: int) -> tuple[Integers, Integers]:
        """Deletions and creations [run, rank] of the first `count` pods, if none of them is Ready so soon."""
        runs = np.arange(len(begin))
        deleted, created = np.empty((len(begin), count), np.int64), np.empty((len(begin), count), np.int64)
        calls, done, look = self.of_runs(runs), 0, begin
        while done < count:
            size = min(BURST_REPLICAS, count - done)
            syncs, look = calls.sync(look, np.full(len(begin), size))
            times = calls.spelt(syncs, runs, np.repeat(runs, size), np.tile(np.arange(size), len(begin)))
            deleted[:, done : done + size], created[:, done : done + size] = (some.reshape(-1, size) for some in times)
            done += size
        return deleted, created

    def sync(self, look: Integers, count: Integers) -> tuple[Syncs, Integers]:
        """In each run a sync that deletes `count` pods, the one that creates them, and what is written after each.

        Returns what `spelt` asks for, and when the controller looks again.
        """
        # A call leaves the bucket no fuller than it finds it, so that it can overflow only before the first.
        empty_at = np.maximum(self._empty_at, look - self.full)
        syncs, some = Syncs(look, count, empty_at), count > 0
        if self.slow:
            end = self._slowly(syncs, np.arange(len(look)))
            self._empty_at = np.where(some, end[1], self._empty_at)
            return syncs, np.where(some, end[0], look)
        self._empty_at = empty_at + 2 * (count + some) * self.interval
        return syncs, np.maximum(look, self._empty_at)

    def spelt(self, syncs: Syncs, runs: Integers, which: Integers, item: Integers) -> tuple[Integers, Integers]:
        """Deletion and creation of single pods. `runs`: that of each sync; `which` sync a pod is of, and its number."""
        interval = self.interval.take(runs)
        look, empty_at, turn = syncs.look.take(which), syncs.empty_at.take(which), (item + 1) * interval.take(which)
        deleted = np.maximum(look, empty_at + turn)
        if self.slow:
            return deleted, self._slowly(syncs, runs, which, item)[2]
        written = (syncs.empty_at + (syncs.deleted + 1) * interval).take(which)
        return deleted, np.maximum(np.maximum(look, written), written + turn)

    def _slowly(
        self, syncs: Syncs, runs: Integers, which: Integers = _NONE, item: Integers = _NONE
    ) -> tuple[Integers, Integers, Integers]:
        """Where a batch of creations takes time: the end, when the bucket is empty then, and the pods' creations."""
        look, count, empty_at = syncs
        interval, full, slow_start = self.interval[runs], self.full[runs], self.slow_start[runs]
        empty_at = empty_at + (count + 1) * interval
        now = np.maximum(look, empty_at)
        created = np.empty(len(which), np.int64)
        done, size = 0, 1
        while (count > done).any():
            batch = np.clip(count - done, 0, size)
            empty_at = np.maximum(empty_at, now - full)
            own = np.flatnonzero((item >= done) & (item < done + size))
            sync = which[own]
            sent = np.maximum(now[sync], empty_at[sync] + (item[own] - done + 1) * interval[sync])
            created[own] = sent + slow_start[sync]
            empty_at = np.where(batch > 0, empty_at + batch * interval, empty_at)
            now = np.where(batch > 0, np.maximum(now, empty_at) + slow_start, now)
            done, size = done + size, 2 * size
        empty_at = np.maximum(empty_at, now - full) + interval
        return np.maximum(now, empty_at), empty_at, created
