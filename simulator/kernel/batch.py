"""The scenario's life, from the first deletion to the last Felix in sync, for all runs of some blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from simulator.draws import Block, Integers, replication
from simulator.engine import run
from simulator.kernel import failing, limits, mesh, schedule
from simulator.kernel.durations import NEVER, Durations, PodLife, ceil_grid, narrow
from simulator.kernel.mesh import Pods
from simulator.kernel.migration import Migration, complete, controllers, migrate
from simulator.observations import Runs
from simulator.scenario import ON_DELETE, Scenario
from simulator.timing import MICRO

Booleans = npt.NDArray[np.bool_]

_COVERED_FAULTS = (
    "controllers_unschedulable",
    "job_unschedulable",
    "complete_fails",
    "expected_image_mismatch",
)


def covers(scenario: Scenario) -> str | None:
    """Why the kernel cannot run this scenario; None: it can."""
    cluster = scenario.cluster
    if scenario.joins:
        return "nodes join"
    if scenario.rolls_back:
        return "the operator rolls back"
    if cluster.update_strategy == ON_DELETE:
        return "the update strategy is OnDelete"
    if scenario.typha is not None and scenario.typha.away:
        return "all of Typha is away for a time"
    if scenario.timing["slow_start"]:
        return "creations of the DaemonSet controller take time"
    if limits.exceeded_at_once(scenario):
        return "calls of the DaemonSet controller wait for the API server's limit"
    if scenario.operator:
        return f"the operator acts ({scenario.operator[0].kind})"
    several = cluster.nodes > 1 and cluster.budget(cluster.nodes) > 1
    for fault in scenario.faults:
        if fault.kind == "node_not_ready" and (fault != failing.off_at_first(scenario) or fault.start):
            return "a node goes off on the way, or more than one"
        if fault.kind in failing.KINDS:
            if several and fault.image != "controllers":
                return f"fault {fault.kind}, with several nodes at once"
        elif fault.kind not in _COVERED_FAULTS:
            return f"fault {fault.kind}"
    return None


def observe(scenario: Scenario, blocks: Iterable[Block]) -> Runs:
    """What a plan keeps of the runs of some blocks: as from the engine, run by run, to the microsecond.

    With few places the work goes from pod to pod, with all runs in step, so that several blocks at once take little
    longer than one. Each is drawn, or whatever else makes it, when its turn comes.
    """
    parts = [_Part(scenario, block) for block in blocks]
    _schedule(parts)
    return Runs.joined([part.observe() for part in parts])


def by_engine(scenario: Scenario, block: Block, index: int) -> Runs:
    """The same of a single run, from the engine."""
    return Runs.of(run(replication(scenario, block, index)))


class _Part:
    """The roll of the runs of one block. `odd`: runs that only the engine can do.

    `first` are the pods that are deleted at once, at `reaction`: in a migration one of them migrates, the others wait
    for it, and nothing else happens before the version is written. `rest` are the others, with instants that count
    from their deletion. `starts` and `ready` [run, rank] are known when the pods have been scheduled.
    """

    def __init__(self, scenario: Scenario, block: Block) -> None:
        self.block = block
        self.durations = durations = Durations(scenario, failing.in_turn(scenario, block))
        self.life = life = PodLife(durations)
        ordered, cluster = durations.ordered, durations.cluster
        self.reaction = cluster("controller_reaction")
        self.session = cluster("bgp_session")
        self.threshold = cluster("bird_threshold")
        at_once = min(scenario.cluster.budget(durations.nodes), durations.nodes)
        self.at_once = at_once
        self.now, self.later = slice(0, at_once), slice(at_once, None)

        deleted = np.broadcast_to(self.reaction[:, None], (durations.runs, at_once))

        def own(name: str) -> Integers:
            return ordered(durations.node(name), self.now)

        self.migration: Migration | None = None
        if life.rolling:
            main = deleted + ordered(life.main, self.now)
        else:
            begin = deleted + np.maximum(own("kill"), cluster("scheduler_latency")[:, None])
            self.migration = migrate(durations, begin + own("sandbox") + own("pull_upgrade"), self.now)
            main = self.migration.done + own("pull_node")
        self.main = main
        up = main + own("services")
        self.period = narrow(own("readiness_period"))
        self.first = first = Pods(
            down=deleted + np.maximum(own("kill"), 1),
            up=up,
            felix=up + ordered(life.felix_after, self.now),
            cni=up if life.rolling else main + own("pull_cni"),
            zero=deleted + cluster("scheduler_latency")[:, None] + own("probe_offset"),
            ready=up,
        )
        self.odd: Booleans = np.logical_or.reduce(up <= deleted, axis=1)
        if self.migration is not None:  # in one instant: a read, and a BIRD that comes up because of it
            self.odd |= self.migration.odd | (durations.node("pull_node") + durations.node("services") <= 0).any(axis=0)
        # How long after its services a pod has peers enough, whatever the others do.
        wait = self.session if at_once == 1 else np.maximum(self.session, self.threshold)
        self.coupled = 1 < at_once < durations.nodes and bool((wait > life.felix_after).any())
        if at_once == durations.nodes:
            peers = _alone_together(up, self.session[:, None], self.threshold[:, None])
            if durations.nodes > 1:  # or somebody could see a BIRD that is about to end
                self.odd |= (first.felix < first.down.max(axis=1)[:, None]).any(axis=1)
        else:
            peers = up + wait[:, None]
        first.ready = np.maximum(ceil_grid(first.zero, self.period, np.maximum(first.felix, peers)), first.cni)
        cycles = life.ready(narrow(wait[None, :]))
        if at_once < durations.nodes:
            self.odd |= (cycles <= self.reaction).any(axis=0) | (life.up <= 0).any(axis=0)
        self.cycles = ordered(cycles, self.later)
        self.odd |= self._probed_at_start()
        self.unready_after = self._unready_after(at_once)
        self.starts = deleted
        self.ready = first.ready
        self.killed = deleted + own("kill")
        if any(fault.kind in failing.KINDS and fault.image != "controllers" for fault in scenario.faults):
            self._roll_in_turn()

    def _roll_in_turn(self) -> None:
        """All pods are known at once, one after the other; there are no others."""
        rolled = failing.roll(self.durations)
        self.migration, self.main = rolled.migration, rolled.main
        self.first.up, self.first.cni, self.first.ready = rolled.up, rolled.cni, rolled.ready
        self.starts, self.ready, self.cycles = rolled.starts, rolled.ready, self.cycles[:, :0]
        self.now, self.coupled, self.killed = slice(None), False, rolled.killed
        if (off := failing.off_at_first(self.durations.scenario)) and off.until is not None:
            self.odd |= off.until <= self.reaction  # it is back before it is missed

    def rest(self) -> Pods:
        """The pods that are not deleted at once."""
        life, ordered = self.life, self.durations.ordered
        down, up, felix, cni, zero = (
            ordered(values, self.later) for values in (life.dead, life.up, life.felix, life.cni, life.zero)
        )
        return Pods(down, up, felix, cni, zero, self.cycles)

    def _probed_at_start(self) -> Booleans:
        """Runs in which a container can be Ready by the probe of its start (R14)."""
        if not self.durations.scenario.cluster.kubernetes_at_least(1, 21):
            return np.zeros(self.durations.runs, bool)
        at_once = self.durations.node("services") + self.life.felix_after <= 0
        return np.broadcast_to(at_once.any(axis=0), (self.durations.runs,))

    def _unready_after(self, at_once: int) -> Integers:
        """After so long a pod may have failed so many probes that it is not Ready any more; NEVER: it may not.

        A Ready pod has a peer as long as another one is Ready too, so only young ones fail, until they are old enough.
        """
        threshold = self.durations.cluster("failure_threshold")
        period = self.durations.node("readiness_period").min(axis=0)
        if self.durations.nodes - at_once == 1:
            after: Integers = np.minimum(threshold, NEVER // period) * period
        else:
            after = np.where(-(-self.threshold // period) - 1 >= threshold, 0, NEVER + 1)
        return after

    def observe(self) -> Runs:
        """The windows, when the pods have been scheduled."""
        rollout = self.ready.max(axis=1)
        self.odd |= rollout >= self.unready_after
        self.odd |= limits.may_wait(self.durations.scenario, self.ready, self.at_once)
        runs = _observe(self, rollout)
        for index in np.flatnonzero(self.odd).tolist():
            runs.replace(index, by_engine(self.durations.scenario, self.block, index))
        return runs


def _schedule(parts: list[_Part]) -> None:
    """Deletions and Ready of the pods that have to wait for a place."""
    cycles = np.concatenate([part.cycles for part in parts])
    if not cycles.shape[1]:
        return
    ready = np.concatenate([part.ready for part in parts])
    reaction = np.concatenate([part.reaction for part in parts])
    places = ready.shape[1]
    if places == 1:
        starts = schedule.one_by_one(ready[:, 0], cycles, reaction)
    elif places <= schedule.INSERTION:
        starts = schedule.inserted(ready, cycles, reaction)
    else:
        starts = schedule.sorted_in_blocks(ready, cycles, reaction)
    begin = 0
    for part in parts:
        rows = slice(begin, begin + part.durations.runs)
        begin = rows.stop
        part.starts = np.concatenate([part.starts, starts[rows]], axis=1)
        part.ready = np.concatenate([part.ready, starts[rows] + part.cycles], axis=1)
    coupled = [part for part in parts if part.coupled]
    if coupled:
        _couple(coupled)


def _couple(parts: list[_Part]) -> None:
    """The same where young pods need all sessions: all as if they never had them, then the runs in which they do."""
    chosen, alone = [], []
    for part in parts:
        wanted = ~_everybody_up(part)
        if part.period.shape[0] > 1:
            part.odd |= wanted  # each node has its own period
            continue
        rows = np.flatnonzero(wanted & ~part.odd)
        if rows.size:
            chosen.append(rows)
            alone.append(part)
    if not alone:
        return

    def rows_of(pods: list[Pods]) -> Pods:
        return Pods(
            *(
                np.concatenate([getattr(one, field.name)[rows] for one, rows in zip(pods, chosen, strict=True)])
                for field in fields(Pods)
            )
        )

    def values_of(values: list[Integers]) -> Integers:
        return np.concatenate([value[rows] for value, rows in zip(values, chosen, strict=True)])

    rest = np.empty((sum(map(len, chosen)), *alone[0].cycles.shape[1:], len(mesh.FIELDS)), np.int64)
    begin = 0
    for part, rows in zip(alone, chosen, strict=True):
        pods = part.rest()
        for number, name in enumerate(mesh.FIELDS):
            rest[begin : begin + len(rows), :, number] = getattr(pods, name)[rows]
        begin += len(rows)
        del pods
    periods = [np.broadcast_to(part.period[0], (part.durations.runs,)) for part in alone]
    starts, ready, odd = mesh.roll(
        rows_of([part.first for part in alone]),
        rest,
        values_of([part.starts[:, part.now] for part in alone]),
        values_of([part.session for part in alone]),
        values_of([part.reaction for part in alone]),
        narrow(values_of(periods)[None, :]),
    )
    begin = 0
    for part, rows in zip(alone, chosen, strict=True):
        own = slice(begin, begin + len(rows))
        begin = own.stop
        part.starts[rows], part.ready[rows] = starts[own], ready[own]
        part.odd[rows] |= odd[own]


def _alone_together(services: Integers, session: Integers, threshold: Integers) -> Integers:
    """From when on each of the pods, which all begin at once, has peers enough (R15)."""
    if services.shape[1] == 1:
        return services
    earliest = np.sort(services, axis=1)[:, :2]
    other = np.where(services == earliest[:, :1], earliest[:, 1:], earliest[:, :1])
    any_ = np.maximum(services, other) + session
    every = services.max(axis=1, keepdims=True) + session
    enough: Integers = np.minimum(np.maximum(services + threshold, any_), every)
    return enough


def _everybody_up(part: _Part) -> Booleans:
    """The runs in which, until the last deletion, somebody's session is missing at every instant.

    A pod that is younger than `bird_threshold` needs all sessions. If there is no instant with all of them before the
    last deletion, it did not matter; behind it there is none to matter for, and the last pods may be Ready earlier:
    that is put right here.
    """
    durations, life, starts = part.durations, part.life, part.starts
    down = starts + durations.ordered(life.dead)
    up = starts + durations.ordered(life.up)
    down[:, part.now], up[:, part.now] = part.first.down, part.first.up
    established = up + part.session[:, None]
    until = np.maximum.accumulate(established, axis=1)
    gapless: Booleans = np.logical_and.reduce(down[:, 1:] <= until[:, :-1], axis=1)
    gapless = gapless & (established.min(axis=1) >= down.min(axis=1))
    every = until[:, -1]
    late = part.ready > every[:, None]
    late[~gapless] = False
    runs, ranks = np.nonzero(late)
    nodes = part.block.order[runs, ranks]

    def own(values: Integers) -> Integers:
        return np.broadcast_to(values, (durations.nodes, durations.runs))[nodes, runs]

    felix = up[runs, ranks] + own(life.felix_after)
    zero = starts[runs, ranks] + own(life.zero)
    probe = ceil_grid(zero, narrow(own(life.period)[None, :])[0], np.maximum(felix, every[runs]))
    earlier = np.maximum(probe, up[runs, ranks] + own(life.cni - life.up))
    part.ready[runs, ranks] = np.minimum(part.ready[runs, ranks], earlier)
    return gapless


def _observe(part: _Part, rollout: Integers) -> Runs:
    """The windows of `simulator.windows`, of all runs. Arrays are used again: new memory costs more than arithmetic."""
    durations, life, migration = part.durations, part.life, part.migration
    scenario, cluster = durations.scenario, durations.cluster
    places, never = durations.places[:, part.now], np.full(durations.runs, NEVER)
    horizon = NEVER - 1 if scenario.horizon is None else scenario.horizon

    def seen(time: Integers) -> Integers:
        return np.where(time > horizon, NEVER, time)

    services = durations.by_node(part.starts)
    killed = services + life.kill
    killed.reshape(-1)[places] = part.killed
    gap = np.subtract(np.broadcast_to(life.main, services.shape), life.kill)
    gap.reshape(-1)[places] = part.main - part.killed
    services += life.up
    services.reshape(-1)[places] = part.first.up
    away = services > horizon if scenario.horizon is not None or part.now == slice(None) else None
    in_sync = services
    if migration is None:
        clear = version = opened = failure = never
    else:
        clear, version, failure = migration.clear, migration.version, migration.failure
        opened = complete(durations, rollout)
        in_sync -= opened  # Felix has looked every `felix_poll` since its services came up
        poll = narrow(cluster("felix_poll")[None, :])
        turns = in_sync // (int(poll[0, 0]) if poll.size == 1 else poll)
        turns *= poll
        in_sync -= turns
        in_sync += opened
    in_sync += durations.node("felix_sync")
    if migration is not None:
        in_sync[:, opened >= NEVER] = NEVER
    around = controllers(durations, version)
    last, earliest = in_sync.max(axis=0), in_sync.min(axis=0)
    whole = np.maximum(rollout if migration is None else opened, np.maximum(around.sync, last))
    stale = np.minimum(killed, clear, out=killed)
    frozen = stale.min(axis=0)
    staleness = in_sync - stale
    if (whole > horizon).any():  # what has begun and not ended is without end, what has not begun is nothing
        staleness[in_sync > horizon] = NEVER
        staleness[stale > horizon] = 0
        if away is not None:
            gap[away] = NEVER
            begun = durations.by_node(part.starts) + life.kill
            begun.reshape(-1)[places] = part.killed
            gap[begun > horizon] = 0
        last = np.where(stale > horizon, 0, in_sync).max(axis=0)
        last[frozen > horizon] = NEVER
    clear, opened, keys = seen(clear), seen(opened), seen(around.sync)
    return Runs(
        delay=(cluster("channels_delay") + cluster("apply")) / MICRO,
        clear=clear,
        version=seen(version),
        rollout=seen(rollout),
        complete=opened,
        controllers_down=seen(around.down),
        controllers_init=never if migration is None else seen(around.init),
        controllers_init_end=never if migration is None else seen(around.init_end),
        controllers_sync=keys,
        frozen=never if migration is None else seen(frozen),
        synced=never if migration is None else seen(last),
        total=seen(whole),
        block=np.where(clear >= NEVER, 0.0, np.where(opened >= NEVER, np.inf, (opened - clear) / MICRO)),
        staleness=_length(staleness.max(axis=0)),
        gap=_length(gap.max(axis=0)),
        hazard=np.zeros(durations.runs, bool) if migration is None else (seen(earliest) < NEVER) & (earliest < keys),
        failed=failure <= horizon,
    )


def _length(micros: Integers) -> npt.NDArray[np.float64]:
    return np.where(micros >= NEVER // 2, np.inf, micros / MICRO)
