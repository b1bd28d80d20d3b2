"""What the kubelet makes of a pod under faults, for one pod of each of some runs (R5-R8, R11).

How long that takes depends on when it begins. Arguments are arrays, one entry a run: `runs` the runs' numbers, `nodes`
the node in each. An instant that does not come is NEVER.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.draws import Integers
from simulator.kernel.durations import NEVER, Durations
from simulator.scenario import Fault

Booleans = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Started:
    """A pod behind its init containers: node image there, install-cni runs, the start of the calico-node that lives."""

    node_image: Integers
    cni: Integers
    main: Integers


class Kubelet:
    """Durations and faults of single pods. A pod that goes on for ever without success is NEVER done."""

    def __init__(self, durations: Durations) -> None:
        self.durations = durations
        self.scenario = durations.scenario
        self._windows: dict[str, list[Fault]] = {}
        for fault in self.scenario.faults:
            if fault.until != fault.start:
                self._windows.setdefault(fault.kind, []).append(fault)
        self._values: dict[str, Integers] = {}
        self._cluster: dict[str, Integers] = {}
        self._crash_ladder = np.array(self.scenario.crash_ladder)

    def own(self, name: str, nodes: Integers, runs: Integers) -> Integers:
        """The durations of these nodes; one number if it is the same for all."""
        values = self._values.get(name)
        if values is None:
            values = self.durations.node(name)
            if values.size > 1:
                values = np.broadcast_to(values, (self.durations.nodes, self.durations.runs))
            self._values[name] = values
        answer: Integers = values[0, 0] if values.size == 1 else values[nodes, runs]
        return answer

    def cluster(self, name: str, runs: Integers) -> Integers:
        """The cluster's own durations."""
        if name not in self._cluster:
            self._cluster[name] = self.durations.cluster(name)
        values: Integers = self._cluster[name][runs]
        return values

    def windows(self, kind: str) -> list[Fault]:
        """The faults of a kind."""
        return self._windows.get(kind, [])

    def active(self, kind: str, time: Integers) -> Booleans:
        """Whether a fault of that kind holds, whatever its node."""
        answer = np.zeros(np.shape(time), bool)
        for fault in self.windows(kind):
            answer |= (time >= fault.start) & (time < (NEVER if fault.until is None else fault.until))
        return answer

    def waits(self, run: Integers, steps: Integers, runs: Integers) -> tuple[Integers, Integers]:
        """(wait until the restart, next place on the ladder) after a failed container that ran so long."""
        steps = np.where(run > self.cluster("crash_reset", runs), 0, steps)
        return self._crash_ladder[np.minimum(steps, len(self._crash_ladder) - 1)], steps + 1

    # From the sandbox on ---------------------------------------------------------------------------------------

    def init(self, begin: Integers, nodes: Integers, runs: Integers, there: Booleans | None = None) -> Integers:
        """When the migration's init container starts first. `there`: where its image is on the node already."""
        since = _capped(begin + self.own("sandbox", nodes, runs))
        return self._pulled(since, "upgrade", nodes, runs, there)

    def started(
        self,
        done: Integers,
        nodes: Integers,
        runs: Integers,
        node_image: Booleans | None = None,
        cni_image: Booleans | None = None,
    ) -> Started:
        """What follows the init container of a migration; the last arguments tell where these images are."""
        image = self._pulled(done, "node", nodes, runs, node_image)
        # install-cni starts with calico-node, or when its image could not be pulled at once (R7).
        since = image
        if self.windows("image_unpullable"):
            failed = self._failing("image_unpullable", done, nodes, "node") != done
            since = np.where(failed if node_image is None else failed & ~node_image, done, image)
        cni = self._pulled(since, "cni", nodes, runs, cni_image)
        return Started(image, cni, self._survives(image, nodes, runs))

    def rolled(
        self,
        begin: Integers,
        nodes: Integers,
        runs: Integers,
        node_image: Booleans | None = None,
        cni_image: Booleans | None = None,
    ) -> Started:
        """The same of v3-rolling, from the sandbox on (R21); `cni` is when that image is there."""
        cni = self._pulled(_capped(begin + self.own("sandbox", nodes, runs)), "cni", nodes, runs, cni_image)
        since = cni + self.own("upgrade_ipam", nodes, runs) + self.own("install_cni", nodes, runs)
        image = self._pulled(_capped(since), "node", nodes, runs, node_image)
        main = self._survives(_capped(image + self.own("ebpf_bootstrap", nodes, runs)), nodes, runs)
        return Started(image, cni, main)

    def passed(self, init: Integers, nodes: Integers, runs: Integers) -> tuple[Integers, Integers]:
        """(exit 0, first failure) of an init container that starts when the version is written."""
        needed = self.own("needed", nodes, runs)
        done, failure = _capped(init + needed), np.full(init.shape, NEVER)
        if not (self.windows("init_killed") or self.windows("needed_error")):
            return done, failure
        started, steps = init.copy(), np.zeros(init.shape, np.int64)
        while True:
            end = _capped(started + needed)
            fails = np.where(self.active("needed_error", end) & (end < NEVER), end, NEVER)
            for fault in self.windows("init_killed"):
                assert fault.at is not None
                hit = (nodes == fault.node) & (started < fault.at) & (end >= fault.at)
                fails = np.where(hit, np.minimum(fails, fault.at), fails)
            failure = np.minimum(failure, fails)
            failing = fails < NEVER
            if not failing.any():
                return end, failure
            wait, after = self.waits(fails - started, steps, runs)
            steps = np.where(failing, after, steps)
            again = np.where(failing, fails + wait, started)
            for fault in self.windows("needed_error"):
                if fault.until is None:
                    again = np.where(failing & (again >= fault.start), NEVER, again)
            started = again

    def _failing(self, kind: str, time: Integers, nodes: Integers, image: str | None = None) -> Integers:
        """`time` where nothing fails then, something else where it does: NEVER if it always will, else -1."""
        answer = time
        for fault in self.windows(kind):
            if fault.image == image:
                active = (time >= fault.start) & (time < (NEVER if fault.until is None else fault.until))
                if fault.node is not None:
                    active &= nodes == fault.node
                if fault.until is None:
                    answer = np.where(active, NEVER, answer)
                else:
                    answer = np.where(active & (answer < NEVER), -1, answer)
        return answer

    def _pulled(self, since: Integers, image: str, nodes: Integers, runs: Integers, there: Booleans | None) -> Integers:
        """When an image is there that is pulled from `since` on."""
        attempt, ladder, tries = since, self.scenario.image_ladder, 0
        if self.windows("image_unpullable"):
            attempt = since if there is None else np.where(there, NEVER, since)
            while ((state := self._failing("image_unpullable", attempt, nodes, image)) != attempt).any():
                wait = ladder[min(tries, len(ladder) - 1)]
                attempt = np.where(state == attempt, attempt, np.where(state == NEVER, NEVER, attempt + wait))
                tries += 1
        pulled = _capped(attempt + self.own(f"pull_{image}", nodes, runs))
        return pulled if there is None else np.where(there, since, pulled)

    def _survives(self, since: Integers, nodes: Integers, runs: Integers) -> Integers:
        """The start of the first run of calico-node from `since` on that does not crash."""
        if not self.windows("main_crash"):
            return since
        started, steps = since, np.zeros(len(since), np.int64)
        length = self.cluster("startup_failed_run", runs)
        while (crash := (state := self._failing("main_crash", started, nodes)) != started).any():
            wait, after = self.waits(length, steps, runs)
            steps = np.where(crash, after, steps)
            started = np.where(crash, np.where(state == NEVER, NEVER, started + length + wait), started)
        return started


def _capped(time: Integers) -> Integers:
    return np.minimum(time, NEVER)
