"""The API server's limit for the DaemonSet controller, for many runs at once, and whether it ever matters.

`docs/scenario-extensions.md`, L1-L5: a sync that deletes m pods makes m deletions, m creations and two status updates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from simulator.draws import Integers
from simulator.protocol.apiserver import BURST_REPLICAS
from simulator.timing import MICRO

if TYPE_CHECKING:
    from simulator.kernel.durations import Durations
    from simulator.scenario import Scenario

Booleans = npt.NDArray[np.bool_]


def exceeded_at_once(scenario: Scenario) -> bool:
    """Whether the calls of the very first sync already wait, or take time."""
    timing, cluster = scenario.timing, scenario.cluster
    calls = 2 * min(cluster.budget(cluster.nodes), cluster.nodes) + 2
    return bool(timing["slow_start"] or (timing["api_qps"] and calls > max(1, timing["api_burst"])))


class Calls:
    """The controller's calls, one entry a run: a token bucket, and batches of creations (`protocol.apiserver`)."""

    def __init__(self, interval: Integers, full: Integers, slow_start: Integers) -> None:
        self.interval, self.full, self.slow_start = interval, full, slow_start
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
        deleted, created = np.empty((len(begin), count), np.int64), np.empty((len(begin), count), np.int64)
        calls, done, look = self.of_runs(np.arange(len(begin))), 0, begin
        while done < count:
            size = min(BURST_REPLICAS, count - done)
            rows, item = np.repeat(np.arange(len(begin)), size), np.tile(np.arange(size), len(begin))
            gone, new, look = calls.sync(look, np.full(len(begin), size), rows, item)
            deleted[:, done : done + size], created[:, done : done + size] = (
                times.reshape(-1, size) for times in (gone, new)
            )
            done += size
        return deleted, created

    def sync(
        self, look: Integers, count: Integers, rows: Integers, item: Integers | None
    ) -> tuple[Integers, Integers, Integers]:
        """A sync that deletes `count` pods, the one that creates them, and what is written after each.

        `rows` and `item` spell `count` out: for each pod the run, and its number there (None: the first). Returns the
        deletions and creations of all these, and when the controller looks again.
        """
        if self.slow_start.any():
            return self._slowly(look, count, rows, item)
        # A call leaves the bucket no fuller than it finds it, so that it can overflow only before the first.
        some, calls = count > 0, count * self.interval
        empty_at = np.maximum(self._empty_at, look - self.full)
        deleted = empty_at + calls
        written = deleted + some * self.interval
        begin = np.maximum(look, written)
        created = written + calls
        self._empty_at = created + some * self.interval
        end = np.where(some, np.maximum(look, self._empty_at), look)
        if item is None:
            return np.maximum(look, deleted).take(rows), np.maximum(look, created).take(rows), end
        turn = (item + 1) * self.interval.take(rows)
        return (
            np.maximum(look.take(rows), empty_at.take(rows) + turn),
            np.maximum(begin.take(rows), written.take(rows) + turn),
            end,
        )

    def _slowly(
        self, look: Integers, count: Integers, rows: Integers, item: Integers | None
    ) -> tuple[Integers, Integers, Integers]:
        """The same where a batch of creations takes time."""
        item = np.zeros_like(rows) if item is None else item
        some = count > 0
        deleted, last = self._sent(look, rows, item, count)
        now = self._status(last, some)
        created = np.empty(len(rows), np.int64)
        done, size = 0, 1
        while (count > done).any():
            batch = np.clip(count - done, 0, size)
            own = np.flatnonzero((item >= done) & (item < done + size))
            sent, last = self._sent(now, rows[own], item[own] - done, batch)
            created[own] = sent + self.slow_start[rows[own]]
            now = np.where(batch > 0, last + self.slow_start, now)
            done, size = done + size, 2 * size
        return deleted, created, self._status(now, some)

    def _sent(self, now: Integers, rows: Integers, item: Integers, count: Integers) -> tuple[Integers, Integers]:
        """When each of `count` calls that are made now is sent, and the last of them."""
        empty_at = np.maximum(self._empty_at, now - self.full)
        sent = np.maximum(now[rows], empty_at[rows] + (item + 1) * self.interval[rows])
        self._empty_at = np.where(count > 0, empty_at + count * self.interval, self._empty_at)
        return sent, np.where(count > 0, np.maximum(now, self._empty_at), now)

    def _status(self, now: Integers, written: Booleans) -> Integers:
        """When the status has been written, where it is."""
        empty_at = np.maximum(self._empty_at, now - self.full) + self.interval
        self._empty_at = np.where(written, empty_at, self._empty_at)
        return np.where(written, np.maximum(now, empty_at), now)
