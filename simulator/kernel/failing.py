"""One node after the other, where pulls fail, calico-node crashes, or a node is off at first (R3, R5-R7, R11).

How long a pod takes then depends on when it begins, so it goes from pod to pod, with all runs in step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulator.draws import Block, Integers
from simulator.kernel.durations import NEVER, Durations, ceil_grid
from simulator.kernel.migration import Migration, migrate
from simulator.scenario import Fault, Scenario


@dataclass(slots=True)
class Roll:
    """Instants [run, rank]; NEVER: not reached."""

    starts: Integers
    main: Integers
    up: Integers
    cni: Integers
    ready: Integers
    killed: Integers
    migration: Migration | None


KINDS = ("image_unpullable", "main_crash", "node_not_ready")
"""Faults that this module is for."""


def off_at_first(scenario: Scenario) -> Fault | None:
    """The one node that is off from the beginning: it is replaced first, and waited for (R3)."""
    return next((fault for fault in scenario.faults if fault.kind == "node_not_ready"), None)


def in_turn(scenario: Scenario, block: Block) -> Block:
    """The block with its processing orders as they are when a node is off at first."""
    if (fault := off_at_first(scenario)) is None:
        return block
    others = block.order[block.order != fault.node].reshape(len(block.order), -1)
    first = np.full((len(block.order), 1), fault.node)
    return replace(block, order=np.concatenate([first, others], axis=1))


def roll(durations: Durations) -> Roll:
    """Every node's pod, each when the one before is Ready."""
    return _Roll(durations).run()


class _Roll:
    def __init__(self, durations: Durations) -> None:
        self.durations = durations
        self.scenario = durations.scenario
        self.rolling = self.scenario.cluster.rolling
        self.node = np.empty(0, np.int64)  # the node at hand, of each run
        self.rank = 0
        self.faults = {
            kind: [fault for fault in self.scenario.faults if fault.kind == kind and fault.until != fault.start]
            for kind in ("image_unpullable", "main_crash")
        }
        self.ordered: dict[str, Integers] = {}
        self.cluster = durations.cluster
        self.peers = durations.cluster("bgp_session") * (durations.nodes > 1)

    def run(self) -> Roll:
        shape = (self.durations.nodes, self.durations.runs)
        starts, mains, ups, plugins, readies, ends = (np.empty(shape, np.int64) for _ in range(6))
        off = off_at_first(self.scenario)
        migration = None
        ready, reaction = np.zeros(shape[1], np.int64), self.cluster("controller_reaction")
        for rank in range(shape[0]):
            self.rank, self.node = rank, self.durations.order[:, rank]
            start = ready + reaction
            killed = start + self.own("kill")
            seen = start + self.cluster("scheduler_latency")  # by the kubelet
            if rank == 0 and off is not None:
                killed, seen = np.zeros_like(killed), np.maximum(seen, NEVER if off.until is None else off.until)
            begin = np.maximum(killed, seen) + self.own("sandbox")
            if self.rolling:
                begin = self.pulled(begin, "cni") + self.own("upgrade_ipam") + self.own("install_cni")
                main = cni = self.pulled(begin, "node") + self.own("ebpf_bootstrap")
            else:
                init = self.pulled(begin, "upgrade")
                done = init + self.own("needed")
                if rank == 0:
                    migration = migrate(self.durations, np.minimum(init, NEVER)[:, None], slice(0, 1))
                    done = migration.done[:, 0]
                main = self.pulled(done, "node")
                # install-cni starts with calico-node, or when its image could not be pulled at once.
                failed = self.failing("image_unpullable", done, "node") != done
                cni = self.pulled(np.where(failed, done, main), "cni")
            main = self.survives(main)
            if rank == 0 and migration is not None:
                migration.version = np.minimum(main + self.own("ensure_initialized"), NEVER)
                migration.clear = np.minimum(migration.clear, NEVER)
            up = main + self.own("services")
            able = up + np.maximum(self.own("felix_sync" if self.rolling else "felix_ready"), self.peers)
            zero = seen + self.own("probe_offset")
            ready = np.maximum(ceil_grid(zero, self.own("readiness_period"), able), cni)
            ready[up >= NEVER] = NEVER
            for kept, time in (
                (starts, start),
                (mains, main),
                (ups, up),
                (plugins, cni),
                (readies, ready),
                (ends, killed),
            ):
                np.minimum(time, NEVER, out=kept[rank])
            ready = readies[rank]
        return Roll(starts.T, mains.T, ups.T, plugins.T, readies.T, ends.T, migration)

    def own(self, name: str) -> Integers:
        """The duration of the node at hand, of each run."""
        if name not in self.ordered:
            self.ordered[name] = np.ascontiguousarray(self.durations.ordered(self.durations.node(name)).T)
        values: Integers = self.ordered[name][self.rank]
        return values

    def failing(self, kind: str, time: Integers, image: str | None = None) -> Integers:
        """`time` where nothing fails then, something else where it does: NEVER if it always will, else -1."""
        answer = time
        for fault in self.faults[kind]:
            if fault.image == image:
                active = self._active(fault, time)
                if fault.until is None:
                    answer = np.where(active, NEVER, answer)
                else:
                    answer = np.where(active & (answer < NEVER), -1, answer)
        return answer

    def _active(self, fault: Fault, time: Integers) -> np.ndarray:
        active = (time >= fault.start) & (time < (NEVER if fault.until is None else fault.until))
        return active if fault.node is None else active & (self.node == fault.node)

    def pulled(self, since: Integers, image: str) -> Integers:
        """When an image is there that is pulled from `since` on."""
        attempt, ladder, tries = np.minimum(since, NEVER), self.scenario.image_ladder, 0
        while ((state := self.failing("image_unpullable", attempt, image)) != attempt).any():
            wait = ladder[min(tries, len(ladder) - 1)]
            attempt = np.where(state == attempt, attempt, np.where(state == NEVER, NEVER, attempt + wait))
            tries += 1
        return np.minimum(attempt + self.own(f"pull_{image}"), NEVER)

    def survives(self, since: Integers) -> Integers:
        """The start of the first run of calico-node from `since` on that does not crash."""
        started, ladder, tries = np.minimum(since, NEVER), self.scenario.crash_ladder, np.zeros(len(since), np.int64)
        length, reset = self.cluster("startup_failed_run"), self.cluster("crash_reset")
        while (crash := (state := self.failing("main_crash", started)) != started).any():
            tries = np.where(length > reset, 0, tries)
            wait = np.array(ladder)[np.minimum(tries, len(ladder) - 1)]
            started = np.where(crash, np.where(state == NEVER, NEVER, started + length + wait), started)
            tries += 1
        return started
