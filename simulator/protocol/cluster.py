"""The cluster in which the actors meet: the wiring, and the question whether the upgrade is complete (R2)."""

from __future__ import annotations

from simulator import typha
from simulator.protocol.bgp import BgpMesh
from simulator.protocol.causality import CausalClock
from simulator.protocol.clock import Clock, Moment, Phase, Story
from simulator.protocol.completion import CompletionJob
from simulator.protocol.controllers import Controllers
from simulator.protocol.daemonset import DaemonSet
from simulator.protocol.datastore import Datastore
from simulator.protocol.faults import Faults
from simulator.protocol.kubelet import ImagePuller
from simulator.protocol.node import Node
from simulator.protocol.operator import schedule_faults_and_actions
from simulator.protocol.rollback import Rollback
from simulator.scenario import Scenario
from simulator.timing import MICRO, NodeTiming
from simulator.trace import Ending, NodeTrace, Trace

_DAY = 24 * 3600 * MICRO


class Cluster:
    """All actors of one run, on one clock. `rolling`: from v3 to v3, without a migration.

    With `causes` the trace says what each event waited for.
    """

    def __init__(self, scenario: Scenario, causes: bool = False) -> None:
        settings = scenario.cluster
        self.scenario = scenario
        self.timing = scenario.timing
        self.rolling = settings.rolling
        self.typha_away = scenario.typha.away if scenario.typha else 0
        self.probe_at_start = settings.kubernetes_at_least(1, 21)  # R14
        joining = {join.node for join in scenario.joins}
        self.trace = Trace(scenario, [NodeTrace() for _ in range(scenario.node_count)], removed=set(joining))
        instants = len(scenario.joins) + len(scenario.faults) + len(scenario.operator)
        ranks_needed = max(scenario.node_count, instants)
        self.clock = CausalClock(ranks_needed, self.trace) if causes else Clock(ranks_needed)
        self.faults = Faults(scenario.faults)
        self.datastore = Datastore(self)
        self.rollback = Rollback(self)
        self._rolls_back = scenario.rolls_back
        self.mesh = BgpMesh(self, settings.nodes, scenario.timing["bgp_session"])
        stages = zip(*(scenario.stages[name] for name in NodeTiming._fields), strict=True)
        ranks = {index: rank for rank, index in enumerate(settings.order)}
        self.nodes = [
            Node(self, index, ranks[index], NodeTiming(*values), index in joining)
            for index, values in enumerate(stages)
        ]
        self.daemonset = DaemonSet(self, [self.nodes[index] for index in settings.order])
        self.controllers = Controllers(self)
        self.job = CompletionJob(self)
        self.finished = self.clock.event()
        self._unsettled = settings.nodes

    def run(self) -> Trace:
        """Run to the end (R2)."""
        for node in self.nodes:
            if node.exists:
                node.pod.run_old()
        schedule_faults_and_actions(self)
        self.controllers.start()
        if not self.rolling:
            self.job.create()
        self.daemonset.request_sync()
        if self.scenario.horizon is not None:
            self.clock.call(self.scenario.horizon, self.clock.priority(Phase.END), self.stop)
        else:
            self.clock.process(self._stop_when_idle())
        self.clock.run(until=self.finished)
        ended = self.trace.completed or self.trace.rolled_back is not None
        if ended or self.scenario.horizon is not None:
            self.trace.end = self.clock.now
        self.trace.ending = self._ending()
        if self.scenario.typha:
            self.trace.typha = typha.roll(self.trace)
        return self.trace

    def record(self, actor: str, node: str | None, event: str) -> None:
        """Write an event of this instant into the trace."""
        self.trace.record(self.clock.now, actor, node, event)
        self.clock.happened()

    # Completion ----------------------------------------------------------------------------------------------

    def node_progressed(self, node: Node) -> None:
        """A node has Felix in sync or the CNI plugin for the first time."""
        if node.exists and node.settled:
            self._unsettled -= 1
            self.check_complete()

    def node_joined(self, node: Node) -> None:
        """A node is there, and the upgrade is not complete without it."""
        self._unsettled += 1
        self.rollback.node_joined(node)

    def node_removed(self, node: Node) -> None:
        """A node that no longer exists is not waited for."""
        if not node.settled:
            self._unsettled -= 1
        self.rollback.node_done(node)
        self.check_complete()

    def check_complete(self) -> None:
        """Stop at the end of this instant if nothing is missing any more (R2; `total` in section 7)."""
        trace = self.trace
        finished = trace.rollout if self.rolling else trace.complete
        if self._rolls_back:
            return  # extension B1: not the upgrade's end but the rollback's is the run's
        if self._unsettled == 0 and finished is not None and trace.controllers_sync is not None:
            trace.completed = True
            self.clock.call(0, self.clock.priority(Phase.END), self.stop)

    def stop(self) -> None:
        """End the run."""
        if not self.finished.triggered:
            self.finished.succeed()

    def _stop_when_idle(self) -> Story[None]:
        """Without a horizon, stop when nothing new has happened for longer than any wait.

        After the last instant named in the scenario, an actor that is not done goes on to something it has not
        done before, waits for others, or repeats itself with the same outcome for ever. A turn is never longer
        than all durations together, and there are only so many new things: the run ends.
        """
        scenario, trace = self.scenario, self.trace
        named = [time for fault in scenario.faults for time in (fault.at, fault.start, fault.until)]
        named += [action.at for action in scenario.operator]
        named += [join.at for join in scenario.joins]
        newest = max((time for time in named if time is not None), default=0)
        objects = scenario.cluster.resources + scenario.cluster.ipam
        patience = sum(scenario.crash_ladder) + sum(scenario.image_ladder) + sum(map(max, scenario.stages.values()))
        patience += 4 * sum(scenario.timing.values())  # no wait takes one of them more often
        failing = scenario.timing["failure_threshold"] * max(scenario.stages["readiness_period"])
        patience += min(failing, _DAY)  # to allow for more is to say that none gets unready (a plan without BIRD)
        patience += objects * MICRO * MICRO // min(scenario.stages["store_rate"])
        if qps := scenario.timing["api_qps"]:  # a sync that deletes or creates a pod on each node
            patience += (scenario.node_count + 1) * MICRO * MICRO // qps
        patience += scenario.node_count * scenario.timing["slow_start"]
        seen: set[tuple[str, str | None, str]] = set()
        read = 0
        while self.clock.now - newest <= patience:
            yield Moment(self.clock, patience, self.clock.priority(Phase.END))
            for event in trace.events[read:]:
                if event[1:] not in seen:
                    seen.add(event[1:])
                    newest = max(newest, event.time)
            read = len(trace.events)
        self.stop()

    def _ending(self) -> Ending:
        """The state in which the run stopped."""
        nodes = [node for node in self.nodes if node.exists]
        pullers: list[tuple[ImagePuller, int | None]] = [(self.controllers.puller, None), (self.job.puller, None)]
        pullers += [(node.pod.puller, node.index) for node in nodes if node.up]
        waiting = [(image, index) for puller, index in pullers for image in puller.waiting]
        return Ending(
            not_ready=sum(not node.up for node in nodes),
            outdated=sum(node.pod.new is not self.daemonset.new for node in nodes),
            without_peer=any(self.mesh.has_only_strangers(node.index) and not node.pod.ready for node in nodes),
            waiting_pulls=waiting,
            crash_looping=[node.index for node in nodes if node.pod.crash_looping],
            migrating=any(node.pod.migrating for node in nodes),
            past_init=any(node.pod.past_init for node in nodes),
            v1_ready=self.datastore.v1_ready,
            v3_empty=self.datastore.v3_empty,
            job_failed=self.job.failed,
            image_mismatch=self.job.image_mismatch,
        )
