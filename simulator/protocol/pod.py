"""A calico-node pod on its node: the kubelet's story from the sandbox to calico-node (R5, R6, R8, R21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simpy import Interrupt
from simpy.events import Process

from simulator.protocol.calico_node import calico_node
from simulator.protocol.calico_node_v2 import calico_node_v2, felix_v2_resumes
from simulator.protocol.clock import Moment, Story
from simulator.protocol.cni import install_cni
from simulator.protocol.init_container import init_container
from simulator.protocol.kubelet import CrashLadder, ImagePuller, ReadinessProbe

if TYPE_CHECKING:
    from simulator.protocol.node import Node

KILLED = "init_killed"
_INIT_FAULTS = ("needed_error", "conversion_error", "store_fails")


class Pod:
    """One pod object and what runs of it. `new` tells the new template's pods from the old one's.

    `running`: it has been there since long before the run.
    """

    def __init__(self, node: Node, new: bool, running: bool = False) -> None:
        self.node = node
        self.cluster = node.cluster
        self.new = new
        self.created = self.cluster.clock.now
        self.deleted = False
        self.ready = running
        self.steady = running  # v2's Felix has come up and runs
        self.probe = ReadinessProbe(self)
        self.puller = ImagePuller(self.cluster, "kubelet", node.step, node.index)
        self.container: str | None = None  # the one that runs: init or calico-node
        self.migrating = False  # init is between its t_clear and its end
        self.past_init = False
        self.crash_looping = False
        self.cni_running = False
        self._cni_started = False
        self._life: Process | None = None
        self._processes: list[Process] = []

    # What others do to the pod -------------------------------------------------------------------------------

    def begin(self, wait: int) -> None:
        """The kubelet sees the pod now, or when the scheduler has bound it, and starts it after `wait`."""
        self.probe.base = max(self.cluster.clock.now, self.created + self.cluster.timing["scheduler_latency"])
        latency = self.probe.base - self.cluster.clock.now
        self._life = self.spawn(self._live(max(wait, latency), "kill" if wait >= latency else "scheduler_latency"))

    def run_old(self) -> None:
        """An old pod runs: since long before the run, or again after its node came back."""
        self.steady = True
        self.container = "calico-node"
        self.node.trace.killed = None
        if self.cluster.rolling:
            self.probe.old_pod()
        self.update()

    def resume(self) -> None:
        """v2's Felix goes on after the rollback's abort."""
        self.spawn(felix_v2_resumes(self))

    def delete(self) -> None:
        """Deleted in the API: containers live for another `kill`, unless the node is off (R5)."""
        self.deleted = True
        kill = self.node.timing.kill
        if not (kill and self.node.up):
            self.stop()
            return
        for process in self._processes:  # the kubelet starts nothing more in a deleted pod
            if process.is_alive and not (process is self._life and self.container):
                process.interrupt()
        self.cluster.clock.call(kill, self.node.kill, self.stop, "kill")

    def kill_init(self) -> None:
        """Kill the init container, if it runs (fault `init_killed`)."""
        if self.container == "init" and self._life is not None:
            self._life.interrupt(KILLED)

    def stop(self) -> None:
        """All containers and pulls end now."""
        if self.container == "calico-node":
            self.node.calico_node_ended(self)
            self.cluster.mesh.bird_down(self.node.index)
        for process in self._processes:
            if process.is_alive:
                process.interrupt()
        self._processes.clear()
        self.container = None
        self.migrating = self.past_init = self.crash_looping = self.cni_running = self.steady = False
        if self.cluster.rollback.started:
            self.cluster.rollback.containers_ended()
        self.puller.waiting.clear()
        self.probe.container_ended()
        self.update()

    def update(self) -> None:
        """Ready: calico-node's probe says so and install-cni, which has no probe, runs (R12)."""
        if self.node.pod is not self:
            return
        if self.new or self.cluster.rolling:
            ready = self.probe.ready and (self.cni_running or self.cluster.rolling)
        else:
            ready = self.container is not None  # v2 pods have no probe (R3)
        if ready != self.ready:
            self.ready = ready
            self.node.readiness_changed(ready)

    # What the pod does ---------------------------------------------------------------------------------------

    def spawn(self, story: Story[Any]) -> Process:
        """Run a story until it ends or the pod's containers are stopped."""
        process = self.cluster.clock.process(_until_stopped(story))
        self._processes.append(process)
        return process

    def pull(self, image: str, duration: int) -> Story[None]:
        """Pull an image, at most once per node (R5)."""
        if image not in self.node.images:
            yield from self.puller.pull(image, duration, self.start_install_cni if image == "node" else None)
            self.node.images.add(image)

    def start_install_cni(self) -> None:
        """The second container starts with calico-node, or when calico-node's image could not be pulled (R7)."""
        if not (self.cluster.rolling or self._cni_started):
            self._cni_started = True
            self.spawn(install_cni(self))

    def _live(self, wait: int, stage: str) -> Story[None]:
        clock, node, timing = self.cluster.clock, self.node, self.node.timing
        self._cni_started = False
        if wait:
            yield Moment(clock, wait, node.step, stage)
        self.cluster.record("kubelet", node.name, "sandbox_started")
        yield Moment(clock, timing.sandbox, node.step, "sandbox")
        self.cluster.record("kubelet", node.name, "sandbox_done")
        if not self.new:
            yield from calico_node_v2(self)
            return
        if self.cluster.rolling:
            yield from self._rolling_inits()
        else:
            yield from self.pull("upgrade", timing.pull_upgrade)
            yield from self._run_init()
            if self.deleted:
                return
            yield from self.pull("node", timing.pull_node)
            self.start_install_cni()
        yield from calico_node(self)

    def _rolling_inits(self) -> Story[None]:
        """The init containers of a v3 pod; none of them waits for anything (R21)."""
        timing = self.node.timing
        yield from self.pull("cni", timing.pull_cni)
        yield from self._run_step("upgrade_ipam", timing.upgrade_ipam)
        yield from self._run_step("install_cni", timing.install_cni)
        yield from self.pull("node", timing.pull_node)
        yield from self._run_step("ebpf_bootstrap", timing.ebpf_bootstrap)

    def _run_step(self, name: str, duration: int) -> Story[None]:
        self.cluster.record("init", self.node.name, f"{name}_started")
        yield Moment(self.cluster.clock, duration, self.node.step, name)
        self.cluster.record("init", self.node.name, f"{name}_done")

    def _run_init(self) -> Story[None]:
        """Run the init container until it exits 0; a failed run follows the crash ladder (R8)."""
        clock, datastore, ladder = self.cluster.clock, self.cluster.datastore, CrashLadder(self.cluster)
        while not self.deleted:
            started = clock.now
            self.container = "init"
            self.cluster.record("init", self.node.name, "init_started")
            outcome = "init_failed"
            try:
                done = yield from init_container(self)
            except Interrupt as interrupt:
                if interrupt.cause != KILLED:
                    raise
                done, outcome = False, KILLED
            self.container = None
            self.migrating = False  # a kill after t_clear leaves Ready false (R9)
            if done:
                self.past_init = True
                self.cluster.record("init", self.node.name, "init_done")
                return
            self.cluster.trace.init_failures += 1
            self.cluster.record("init", self.node.name, outcome)
            yield from ladder.back_off(started, self.node.step, _INIT_FAULTS, others=lambda: datastore.written)


def _until_stopped(story: Story[Any]) -> Story[None]:
    try:
        yield from story
    except Interrupt:
        return
