"""The scenario's life, from the first deletion to the last Felix in sync, for all runs of some blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from simulator.draws import Block, Integers, replication
from simulator.engine import run
from simulator.kernel import failing, limits, schedule
from simulator.kernel.controller import FIELDS, Played, Pods, Rolls, play
from simulator.kernel.durations import NEVER, Durations, PodLife, ceil_grid, narrow
from simulator.kernel.kubelet import Kubelet, Started
from simulator.kernel.limits import Calls
from simulator.kernel.migration import Migration, complete, controllers, migrate
from simulator.observations import Runs
from simulator.scenario import ON_DELETE, Scenario
from simulator.timing import MICRO

Booleans = npt.NDArray[np.bool_]

_SHORTEST_ROLL = 60 * MICRO
"""What takes less is over before a roll is."""


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
    at_once = cluster.at_once
    limited = limits.exceeded_at_once(scenario)
    if (what := failing.of_pods(scenario)) is not None:
        if at_once > 1 and (why := failing.with_several(scenario)) is not None:
            return f"{why}, with several nodes at once"
        if at_once == cluster.nodes > 1:
            return f"{what}, with all nodes at once"
        if limited:
            return f"{what}, while calls of the DaemonSet controller wait"
    if limited and at_once == cluster.nodes > 1:
        return "calls of the DaemonSet controller wait (API server's limit), and all pods are to be replaced at once"
    if cluster.nodes - at_once == 1 and at_once > 1 and _soon_unready(scenario):
        return "one pod is left with all its BGP peers away, and gets unready"
    return None


def _soon_unready(scenario: Scenario) -> bool:
    """Whether a pod can fail as many probes as it takes to get unready while the nodes roll."""
    return scenario.timing["failure_threshold"] * min(scenario.stages["readiness_period"]) < _SHORTEST_ROLL


def observe(scenario: Scenario, blocks: Iterable[Block]) -> Runs:
    """What a plan keeps of the runs of some blocks: as from the engine, run by run, to the microsecond.

    With few places the work goes from pod to pod, with all runs in step, so that several blocks at once take little
    longer than one. Each is drawn, or whatever else makes it, when its turn comes.
    """
    if scenario.cluster.at_once == 1 and failing.of_pods(scenario) is not None:
        block = failing.joined(list(blocks))
        return _completed(scenario, block, *failing.observe(scenario, block))
    parts = [_Part(scenario, block) for block in blocks]
    _schedule(parts)
    return Runs.joined([part.observe() for part in parts])


def by_engine(scenario: Scenario, block: Block, index: int) -> Runs:
    """The same of a single run, from the engine."""
    return Runs.of(run(replication(scenario, block, index)))


def _completed(scenario: Scenario, block: Block, runs: Runs, odd: Booleans) -> Runs:
    """The runs, with those from the engine that only it can do."""
    for index in np.flatnonzero(odd).tolist():
        runs.replace(index, by_engine(scenario, block, index))
    return runs


class _Part:
    """The roll of the runs of one block. `odd`: runs that only the engine can do.

    `first` are the pods that are deleted at once, at `reaction`: in a migration one of them migrates, the others wait
    for it, and nothing else happens before the version is written. `rest` are the others, with instants that count
    from their deletion. `starts` and `ready` [run, rank] are known when the pods have been scheduled.
    """

    def __init__(self, scenario: Scenario, block: Block) -> None:
        self.block = block
        self.at_once = at_once = scenario.cluster.at_once
        self.durations = durations = Durations(scenario, failing.in_turn(scenario, block, at_once))
        self.life = life = PodLife(durations)
        ordered, cluster = durations.ordered, durations.cluster
        self.reaction = cluster("controller_reaction")
        self.session = cluster("bgp_session")
        self.threshold = cluster("bird_threshold")
        self.now, self.later = slice(0, at_once), slice(at_once, None)

        self.calls = Calls.of(durations)
        limited = self.calls.exceeded_at_once(at_once)
        self.limited = bool(limited.any())
        if self.limited:
            deleted, created = self.calls.first_wave(self.reaction, at_once)
        else:
            deleted = created = np.broadcast_to(self.reaction[:, None], (durations.runs, at_once))
        self.first_wave = deleted, created

        def own(name: str) -> Integers:
            return ordered(durations.node(name), self.now)

        self.migration: Migration | None = None
        self.killed, seen = deleted + own("kill"), created + cluster("scheduler_latency")[:, None]
        for node, until in failing.off_at_first(scenario).items():
            hit = durations.order[:, self.now] == node
            self.killed, seen = np.where(hit, 0, self.killed), np.where(hit, np.maximum(seen, until), seen)
        begin = np.maximum(self.killed, seen)
        # Where single pods fail, how long they take depends on when they begin.
        self.kubelet = None if failing.of_pods(scenario) is None else Kubelet(durations)
        if self.kubelet is not None:
            main, cni = self._first_started(self.kubelet, begin)
        elif life.rolling:
            main = begin + ordered(life.begun, self.now)
            cni = main
        else:
            self.migration = migrate(durations, begin + own("sandbox") + own("pull_upgrade"), self.now)
            main = self.migration.done + own("pull_node")
            cni = main + own("pull_cni")
        self.main = self.first_main = main
        self.first_up = up = main + own("services")
        self.period = narrow(own("readiness_period"))
        self.first = first = Pods(
            down=np.maximum(self.killed, deleted + 1),
            up=up,
            felix=up + ordered(life.felix_after, self.now),
            cni=cni,
            zero=seen + own("probe_offset"),
            ready=up,
        )
        self.odd: Booleans = np.logical_or.reduce(up <= deleted, axis=1)
        if self.migration is not None:  # in one instant: a read, and a BIRD that comes up because of it
            self.odd |= self.migration.odd | (durations.node("pull_node") + durations.node("services") <= 0).any(axis=0)
        # How long after its services a pod has peers enough, whatever the others do.
        self.wait = wait = self.session if at_once == 1 else np.maximum(self.session, self.threshold)
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
        self.exact_when_alone = durations.nodes == 2 and at_once == 1
        self.unready_after = self._unready_after(at_once)
        self.starts, self.made = deleted, created
        self.waited = np.zeros(durations.runs, bool)  # runs in which calls may wait, and have been seen to
        self.ready = first.ready
        self.foreseen = np.zeros(durations.runs, bool)  # runs in which it is known what the first pods see
        if self.limited:
            begun = life.begun + durations.node("services")
            self.odd |= ((begun + life.latency <= 0) | (begun + life.felix_after <= self.reaction)).any(axis=0)
            if durations.nodes == at_once > 1:
                self.odd |= limited
        if self.kubelet is not None:
            first.ready = self.ready = np.minimum(first.ready, NEVER)
            self.odd |= limited
            for until in failing.off_at_first(scenario).values():  # it is back before it is missed
                self.odd |= until <= self.reaction

    def _first_started(self, kubelet: Kubelet, begin: Integers) -> tuple[Integers, Integers]:
        """(calico-node that lives, install-cni) [run, rank] of the first pods, where single pods fail."""
        runs = np.arange(len(begin)).repeat(begin.shape[1])
        nodes = self.durations.order[:, self.now].ravel()

        def started(done: Integers) -> Started:
            return kubelet.started(np.minimum(done, NEVER).ravel(), nodes, runs)

        if self.life.rolling:
            answer = kubelet.rolled(begin.ravel(), nodes, runs)
        else:
            init = kubelet.init(begin.ravel(), nodes, runs).reshape(begin.shape)
            self.migration = migrate(
                self.durations, init, self.now, lambda done: started(done).main.reshape(begin.shape)
            )
            self.migration.clear = np.minimum(self.migration.clear, NEVER)
            self.migration.version = np.minimum(self.migration.version, NEVER)
            answer = started(self.migration.done)
        return answer.main.reshape(begin.shape), answer.cni.reshape(begin.shape)

    def started(self, runs: Integers, ranks: Integers, begin: Integers) -> Started:
        """What becomes of pods behind the first ones that begin then."""
        assert self.kubelet is not None
        nodes = self.durations.order[runs, ranks]
        if self.life.rolling:
            return self.kubelet.rolled(begin, nodes, runs)
        done = self.kubelet.init(begin, nodes, runs) + self.kubelet.own("needed", nodes, runs)
        return self.kubelet.started(np.minimum(done, NEVER), nodes, runs)

    def up(self, started: Started, runs: Integers, ranks: Integers) -> Integers:
        """When Felix and BIRD of such pods are up."""
        assert self.kubelet is not None
        services = self.kubelet.own("services", self.durations.order[runs, ranks], runs)
        up: Integers = np.minimum(started.main + services, NEVER)
        return up

    def _spell_out(self) -> None:
        """Instants of all pods, where they do not follow from the deletions and the durations alone."""
        durations, shape = self.durations, self.starts.shape
        runs, ranks = (numbers.ravel() for numbers in np.indices(shape))
        killed = self.starts + durations.ordered(self.life.kill)
        begin = np.maximum(killed, self.made + durations.cluster("scheduler_latency")[:, None])
        started = self.started(runs, ranks, np.minimum(begin, NEVER).ravel())
        up, main = self.up(started, runs, ranks).reshape(shape), started.main.reshape(shape)
        killed[:, self.now], main[:, self.now], up[:, self.now] = self.killed, self.first_main, self.first_up
        self.killed, self.main, self.first.up, self.now = killed, main, up, slice(None)

    def rest(self, rows: Integers, out: npt.NDArray[np.integer]) -> None:
        """Put the durations of all pods of some runs [run, rank, field] into `out`, as `controller.FIELDS` has them."""
        for number, values in enumerate(self.fields()):
            out[..., number] = self.durations.ordered(values)[rows]

    def fields(self) -> tuple[Integers, ...]:
        """`controller.FIELDS` of all nodes."""
        life = self.life
        return life.kill, life.begun + self.durations.node("services"), life.felix_after, life.cni - life.up, life.zero

    def played(self, rows: Integers, played: Played) -> None:
        """Take what some of the runs have become."""
        self.odd[rows] |= played.odd
        if len(rows) == self.durations.runs:
            self.starts, self.made, self.ready = played[:3]
            return
        if self.made is self.starts:
            self.made = self.made.copy()
        self.starts[rows], self.made[rows], self.ready[rows] = played[:3]

    def settle(self) -> None:
        """The instants of the first pods as they are, when all have been scheduled: some may have waited longer."""
        if self.kubelet is not None:
            self._spell_out()
            return
        if self.made is self.starts:
            return
        durations, now = self.durations, self.now
        starts, made = self.starts[:, now], self.made[:, now]
        kill = durations.ordered(self.life.kill, now)
        self.killed = starts + kill
        others = (starts != self.first_wave[0]) | (made != self.first_wave[1])
        begin = np.maximum(self.killed, made + durations.cluster("scheduler_latency")[:, None])
        begin += durations.ordered(self.life.begun, now)
        self.main = np.where(others, begin, self.first_main)
        self.first.up = np.where(others, begin + durations.ordered(durations.node("services"), now), self.first_up)

    def held_up(self) -> Integers | None:
        """How much later the kubelet begins with a pod [run, rank] than if it had been created with the deletion."""
        if self.made is self.starts:
            return None
        kill = self.durations.ordered(self.life.kill)
        latency = self.durations.cluster("scheduler_latency")[:, None]
        late: Integers = np.maximum(self.starts + kill, self.made + latency)
        late -= self.starts + np.maximum(kill, latency)
        return late

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
        if self.exact_when_alone:
            return np.full(self.durations.runs, NEVER + 1)
        if self.durations.nodes - at_once == 1:
            after: Integers = np.minimum(threshold, NEVER // period) * period
        else:
            after = np.where(-(-self.threshold // period) - 1 >= threshold, 0, NEVER + 1)
        return after

    def _unready_when_alone(self) -> Booleans:
        """Of two nodes: runs in which one pod, while the other is replaced, fails as many probes as make it unready."""
        ordered, life = self.durations.ordered, self.life
        held_up = self.held_up()
        down = self.starts + ordered(life.dead)
        up = self.starts + ordered(life.up) + (0 if held_up is None else held_up)
        up[:, 0] = self.first.up[:, 0]
        established = up + self.session[:, None]
        threshold = self.durations.cluster("failure_threshold")
        period = ordered(np.broadcast_to(life.period, (2, self.durations.runs)))

        def failed(rank: int, zero: Integers) -> Booleans:
            other, turn = 1 - rank, period[:, rank]
            probes: Integers = -(-(established[:, other] - zero) // turn) + (down[:, other] - zero) // -turn
            return probes >= threshold

        unready = failed(0, self.made[:, 0] + ordered(life.zero)[:, 0])
        if life.rolling:  # the old pod has a probe, too
            unready |= failed(1, ordered(self.durations.node("probe_offset"))[:, 1])
        return unready

    def observe(self) -> Runs:
        """The windows, when the pods have been scheduled."""
        rollout = self.ready.max(axis=1)
        self.odd |= rollout >= self.unready_after
        if not self.limited:
            self.odd |= self.calls.may_wait(self.ready, self.at_once) & ~self.waited
        self.settle()
        if self.exact_when_alone:
            self.odd |= self._unready_when_alone()
        runs = _observe(self, rollout)
        return _completed(self.durations.scenario, self.block, runs, self.odd)


def _schedule(parts: list[_Part]) -> None:
    """Deletions and Ready of the pods that have to wait for a place, or for a call."""
    parts = [part for part in parts if part.cycles.shape[1]]
    every = {part: np.arange(part.durations.runs) for part in parts}
    # With few places young pods often see all sessions.
    young = [part for part in parts if part.coupled and (part.at_once <= schedule.INSERTION or part.kubelet)]
    _play([(part, every[part]) for part in young], coupled=True)
    free = [part for part in parts if not (part.limited or part.kubelet or part in young)]
    for part in free:
        if part.coupled:
            _seen_at_first(part)
    _schedule_freely(free)
    _play(_seen_later([(part, every[part]) for part in free]), coupled=True)
    calling = [(part, every[part]) for part in parts if (part.limited or part.kubelet) and part not in young]
    for part in free:
        waits = part.calls.may_wait(part.ready, part.at_once) & ~(part.waited | part.odd)
        calling.append((part, np.flatnonzero(waits)))
    _play(calling, coupled=False)
    _play(_seen_later(calling), coupled=True)


def _schedule_freely(parts: list[_Part]) -> None:
    """The same if no call and no pod waits for others."""
    if not parts:
        return
    cycles = np.concatenate([part.cycles for part in parts])
    ready = np.concatenate([part.ready for part in parts])
    reaction = np.concatenate([part.reaction for part in parts])
    starts = schedule.freely(ready, cycles, reaction)
    begin = 0
    for part in parts:
        rows = slice(begin, begin + part.durations.runs)
        begin = rows.stop
        part.starts = part.made = np.concatenate([part.starts, starts[rows]], axis=1)
        part.ready = np.concatenate([part.ready, starts[rows] + part.cycles], axis=1)


def _play(chosen: list[tuple[_Part, Integers]], *, coupled: bool) -> None:
    """Some runs of some parts, look after look; `coupled`: young pods may see all sessions at any time."""
    chosen = [(part, rows) for part, rows in chosen if rows.size]
    if not chosen:
        return

    def runs(values: Callable[[_Part], Integers]) -> Integers:
        return np.concatenate([values(part)[rows] for part, rows in chosen])

    def period(part: _Part) -> Integers:
        whole = np.broadcast_to(part.life.period, (part.durations.nodes, part.durations.runs))
        return part.durations.ordered(whole)

    def latency(part: _Part) -> Integers:
        return part.durations.cluster("scheduler_latency")

    def first(name: str) -> Integers:
        return runs(lambda part: getattr(part.first, name))

    same = chosen[0][0].life.period
    if same.size > 1 or any(not np.array_equal(part.life.period, same) for part, _ in chosen):
        same = runs(period)
    rolls = Rolls(
        first=Pods(*(first(item.name) for item in fields(Pods))),
        deleted=runs(lambda part: part.first_wave[0]),
        created=runs(lambda part: part.first_wave[1]),
        rest=_rest(chosen),
        period=same,
        latency=runs(latency),
        wait=runs(lambda part: part.wait),
        session=runs(lambda part: part.session),
        reaction=runs(lambda part: part.reaction),
        calls=Calls.joined([part.calls.of_runs(rows) for part, rows in chosen]),
        started=None if chosen[0][0].kubelet is None else _started(chosen),
    )
    foreseen = np.ones(len(rolls.wait), bool)
    if not coupled and any(part.coupled for part, _ in chosen):
        foreseen = _seen_at_first_limited(rolls)
    played = play(rolls, coupled)
    begin = 0
    for part, rows in chosen:
        own = slice(begin, begin + len(rows))
        begin = own.stop
        deleted, created, ready, odd = played
        part.played(rows, Played(deleted[own], created[own], ready[own], odd[own]))
        part.foreseen[rows], part.waited[rows] = foreseen[own], True


def _started(
    chosen: list[tuple[_Part, Integers]],
) -> Callable[[Integers, Integers, Integers], tuple[Integers, Integers]]:
    """`Rolls.started` of some runs of some parts."""
    part_of = np.concatenate([np.full(len(rows), number) for number, (_, rows) in enumerate(chosen)])
    run_of = np.concatenate([rows for _, rows in chosen])

    def started(rows: Integers, ranks: Integers, begin: Integers) -> tuple[Integers, Integers]:
        up, cni = np.empty_like(begin), np.empty_like(begin)
        for number, (part, _) in enumerate(chosen):
            own = np.flatnonzero(part_of[rows] == number)
            runs = run_of[rows[own]]
            answer = part.started(runs, ranks[own], begin[own])
            up[own], cni[own] = part.up(answer, runs, ranks[own]), answer.cni
        return up, cni

    return started


def _rest(chosen: list[tuple[_Part, Integers]]) -> npt.NDArray[np.integer]:
    """`Rolls.rest` of some runs of some parts."""
    longest = max(int(values.max()) for part, _ in chosen for values in part.fields())
    shape = (sum(len(rows) for _, rows in chosen), chosen[0][0].durations.nodes, len(FIELDS))
    rest = np.empty(shape, np.int32 if longest < 2**31 else np.int64)  # it is most of the memory
    begin = 0
    for part, rows in chosen:
        part.rest(rows, rest[begin : begin + len(rows)])
        begin += len(rows)
    return rest


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


# A pod that is younger than `bird_threshold` is Ready at a probe only while all sessions are Established. With many
# places that is mostly so once, after the first pods have come up and before the first of the next goes down, and then
# for the last pods. So the runs are scheduled as if it were so in all of them, and looked at afterwards.


def _seen_at_first(part: _Part) -> None:
    """`ready` of the first pods, some of which see all sessions before the next go down."""
    first = part.first
    probe, sooner = _seeing_all(first, part.period, part.session)
    # The first of the next to go down is the same as if all sessions stayed: what is different then comes later.
    starts = schedule.freely(sooner, part.cycles[:, : part.at_once], part.reaction)
    down = starts + part.durations.ordered(part.life.dead, slice(part.at_once, 2 * part.at_once))
    part.foreseen = _unbroken(first, part.session)
    until = np.where(part.foreseen, down.min(axis=1), -1)
    part.ready = np.where(probe < until[:, None], sooner, first.ready)


_NEXT = 64
"""So many pods are looked at behind the first ones: one of them is the first to go down."""


def _seen_at_first_limited(rolls: Rolls) -> Booleans:
    """The same where calls wait: the next pods are deleted look after look. Returns the runs where it is certain."""
    first, (runs, places) = rolls.first, rolls.first.ready.shape
    some = slice(0, places + _NEXT)
    period = rolls.period if rolls.period.size == 1 else rolls.period[:, some]
    probe, sooner = _seeing_all(first, period[:, :places], rolls.session)
    calls = rolls.calls.of_runs(np.arange(runs))
    few = replace(rolls, first=replace(first, ready=sooner), rest=rolls.rest[:, some], period=period, calls=calls)
    deleted, created, _, _ = play(few, coupled=False)
    following = slice(places, None)
    until = (deleted[:, following] + np.maximum(few.rest[:, following, 0], 1)).min(axis=1)
    sure: Booleans = _unbroken(first, rolls.session) & (deleted[:, :places] == rolls.deleted).all(axis=1)
    sure &= (created[:, :places] == rolls.created).all(axis=1) & (until <= deleted[:, -1])
    first.ready = np.where(probe < np.where(sure, until, -1)[:, None], sooner, first.ready)
    return sure


def _seeing_all(first: Pods, period: Integers, session: Integers) -> tuple[Integers, Integers]:
    """The probe after which the first pods are Ready, and when, if all sessions stay when they are Established."""
    whole = first.up.max(axis=1) + session
    probe = ceil_grid(first.zero, period, np.maximum(first.felix, whole[:, None]))
    return probe, np.minimum(first.ready, np.maximum(probe, first.cni))


def _unbroken(first: Pods, session: Integers) -> Booleans:
    """Whether, until all of the first pods are up, somebody's session is missing at every instant."""
    # All go down before the first is up, or else it is too involved.
    unbroken: Booleans = first.down.max(axis=1) <= first.up.min(axis=1) + session
    return unbroken


def _seen_later(chosen: list[tuple[_Part, Integers]]) -> list[tuple[_Part, Integers]]:
    """The runs in which pods, other than the first and the last, may see all sessions while they are young."""
    return [(part, rows[~(_everybody_up(part) | part.odd)[rows]]) for part, rows in chosen if part.coupled]


def _everybody_up(part: _Part) -> Booleans:
    """The runs in which, from the first gap to the last deletion, somebody's session is missing at every instant.

    Behind the last deletion the last pods may be Ready earlier: that is put right here.
    """
    durations, life, starts, now = part.durations, part.life, part.starts, part.now
    down = starts + durations.ordered(life.dead)
    up = starts + durations.ordered(life.up)
    if (held_up := part.held_up()) is not None:
        up += held_up
    down[:, now], up[:, now] = part.first.down, part.first.up
    established = up + part.session[:, None]
    until = np.maximum.accumulate(established, axis=1)
    closed = down[:, 1:] <= until[:, :-1]
    following = part.at_once
    closed[:, following - 1] |= down[:, following] <= established[:, following:].min(axis=1)
    gapless: Booleans = np.logical_and.reduce(closed, axis=1)
    gapless &= part.foreseen & (established.min(axis=1) >= down.min(axis=1))
    every = until[:, -1]
    late = part.ready > every[:, None]
    late[~gapless] = False
    runs, ranks = np.nonzero(late)
    nodes = part.block.order[runs, ranks]

    def own(values: Integers) -> Integers:
        return np.broadcast_to(values, (durations.nodes, durations.runs))[nodes, runs]

    felix = up[runs, ranks] + own(life.felix_after)
    zero = part.made[runs, ranks] + own(life.zero)
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
    held_up = part.held_up()
    gap = np.subtract(np.broadcast_to(life.main, services.shape), life.kill)
    services += life.up
    if held_up is not None:
        held = durations.by_node(held_up)
        gap = gap + held
        services += held
    gap.reshape(-1)[places] = part.main - part.killed
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
