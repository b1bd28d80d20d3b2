"""One node after the other, where something fails or the operator acts: all runs in step (R3, R5-R7, R11-R16).

With one pod at a time the roll stands still as long as any pod is not Ready. So it is a row of turns, one pod each; a
*blow* hits a node at an instant that the scenario names: it goes off, or its pod is deleted. The blows of a turn, and
those that come before all are Ready again, are worked off with it (`_Roll.settle`). What happens before the version is
written, when init containers race for the lock, is `locks.Locks`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simulator.draws import Block, Integers
from simulator.kernel.durations import NEVER, Durations, ceil_grid
from simulator.kernel.kubelet import Booleans, Kubelet, Started
from simulator.kernel.limits import Calls
from simulator.kernel.locks import Locks, Span
from simulator.kernel.migration import complete, controllers
from simulator.observations import Runs
from simulator.scenario import Scenario
from simulator.timing import MICRO

_KINDS = (
    "image_unpullable",
    "main_crash",
    "node_not_ready",
    "init_killed",
    "needed_error",
    "conversion_error",
    "store_fails",
)
"""Faults of single pods."""

_WITH_SEVERAL = ("image_unpullable", "main_crash", "node_not_ready")

IMAGES = ("upgrade", "node", "cni")


def of_pods(scenario: Scenario) -> str | None:
    """What of the scenario hits single pods, or makes the datastore open by hand, and so is for this module."""
    if scenario.operator:
        return f"the operator acts ({scenario.operator[0].kind})"
    for fault in scenario.faults:
        if fault.kind in _KINDS and fault.image != "controllers":
            return f"fault {fault.kind}"
    return None


def with_several(scenario: Scenario) -> str | None:
    """Why this cannot be worked off with several nodes at once, if that is so: `controller` does that, pod by pod."""
    if scenario.operator:
        return f"the operator acts ({scenario.operator[0].kind})"
    off = [fault for fault in scenario.faults if fault.kind == "node_not_ready" and fault.until != fault.start]
    if any(fault.start for fault in off) or len({fault.node for fault in off}) < len(off):
        return "a node goes off on the way"
    if len(off) > scenario.cluster.at_once:
        return "more nodes are off than may be replaced"
    other = [fault.kind for fault in scenario.faults if fault.kind in _KINDS and fault.kind not in _WITH_SEVERAL]
    return f"fault {other[0]}" if other else None


def off_at_first(scenario: Scenario) -> dict[int, int]:
    """The nodes that are off at the beginning, and until when."""
    return {
        fault.node: NEVER if fault.until is None else fault.until
        for fault in scenario.faults
        if fault.kind == "node_not_ready" and fault.node is not None and fault.until != fault.start
    }


def in_turn(scenario: Scenario, block: Block, at_once: int) -> Block:
    """The block with its processing orders as they are where nodes are off at first: these are replaced first (R3)."""
    off = list(off_at_first(scenario))
    if not off:
        return block
    ranks = np.argsort(~np.isin(block.order, off), axis=1, kind="stable")
    ranks[:, :at_once].sort(axis=1)
    return replace(block, order=np.take_along_axis(block.order, ranks, axis=1))


@dataclass(frozen=True, slots=True)
class Blow:
    """A node is off in [start, end), or (`deleted`) its pod is deleted by hand at `start`; `slot` numbers the nodes.

    `gone`: the node is deleted; `created`: the pod was deleted once more while the node was off.
    """

    node: int
    slot: int
    start: int
    end: int
    deleted: bool = False
    gone: int = NEVER
    created: int = 0


def blows(scenario: Scenario) -> list[Blow]:
    """All blows in the order in which they come (R1)."""
    gone = {action.node: action.at for action in scenario.operator if action.kind == "delete_node"}
    windows = [fault for fault in scenario.faults if fault.kind == "node_not_ready" and fault.until != fault.start]
    pods = [action for action in scenario.operator if action.kind == "delete_pod"]
    nodes = sorted(
        {node for node in (*(fault.node for fault in windows), *(pod.node for pod in pods)) if node is not None}
    )
    slots = {node: slot for slot, node in enumerate(nodes)}
    found = []
    for fault in windows:
        assert fault.node is not None
        end = NEVER if fault.until is None else fault.until
        away = gone.get(fault.node, NEVER) if fault.until is None else NEVER
        again = [action.at for action in pods if action.node == fault.node and fault.start <= action.at < end]
        found.append(Blow(fault.node, slots[fault.node], fault.start, end, gone=away, created=max(again, default=0)))
    for action in pods:
        assert action.node is not None
        if not any(
            blow.node == action.node and blow.start <= action.at < blow.end for blow in found if not blow.deleted
        ):
            found.append(Blow(action.node, slots[action.node], action.at, action.at, deleted=True))
    return sorted(found, key=lambda blow: blow.start)


@dataclass(slots=True)
class Attempt:
    """A pod from its start until the next blow to its node (`cut`), of some runs; `there`: whether there is one.

    Its node has no BIRD in [down, up). The instants are those of `controller.Pods`; `gone`: the node is deleted.
    """

    there: Booleans
    slot: Integers
    down: Integers
    up: Integers
    able: Integers
    cni: Integers
    zero: Integers
    period: Integers
    cut: Integers
    gone: Integers

    def of(self, rows: Integers) -> Attempt:
        """That of some of the runs."""
        return Attempt(*(getattr(self, name)[rows] for name in self.__slots__))

    @classmethod
    def none(cls, runs: int) -> Attempt:
        """There is none in any of these runs."""
        never = np.full(runs, NEVER)
        none = np.zeros(runs, np.int64)
        down, up, able, cni, cut = (never.copy() for _ in range(5))
        return cls(np.zeros(runs, bool), none.copy(), down, up, able, cni, none, none + 1, cut, never)

    def put(self, rows: Integers, other: Attempt) -> None:
        """Make that of some runs the `other`."""
        for name in self.__slots__:
            getattr(self, name)[rows] = getattr(other, name)


def joined(blocks: list[Block]) -> Block:
    """The runs of some blocks of a plan as if they were one, so that all take each turn together."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    return Block(
        {name: np.concatenate([block.timing[name] for block in blocks]) for name in first.timing},
        {name: np.concatenate([block.per_node[name] for block in blocks], axis=1) for name in first.per_node},
        np.concatenate([block.order for block in blocks]),
    )


def observe(scenario: Scenario, block: Block) -> tuple[Runs, Booleans]:
    """What a plan keeps of the runs of a block, and the runs that only the engine can do."""
    return Roll(Durations(scenario, block)).run()


class Roll:
    """The runs in step. Arrays [slot, run] hold the nodes that are hit; the last row stands for all others."""

    def __init__(self, durations: Durations) -> None:
        self.durations, self.scenario = durations, durations.scenario
        self.kubelet = Kubelet(durations)
        self.cluster, self.rolling = durations.cluster, durations.scenario.cluster.rolling
        self.nodes, self.count = durations.nodes, durations.runs
        self.every = np.arange(self.count)
        self.blows = blows(self.scenario)
        self.slots = 1 + max((blow.slot for blow in self.blows), default=-1)
        self.slot_of = np.full(self.nodes, self.slots)
        self.gone = np.full(self.slots + 1, NEVER)  # when a node is deleted
        self.cuts = np.full((self.slots + 1, len(self.blows) + 1), NEVER)  # the next blow, when so many have come
        for number, blow in reversed(list(enumerate(self.blows))):
            self.slot_of[blow.node] = blow.slot
            self.gone[blow.slot] = min(self.gone[blow.slot], blow.gone)
            self.cuts[blow.slot, : number + 1] = blow.start
        left = self.nodes - int((self.gone < NEVER).sum())
        self.alone_from = int(self.gone[self.gone < NEVER].max(initial=0)) if left == 1 else NEVER
        self.by_hand = min((action.at for action in self.scenario.operator if action.kind == "complete"), default=NEVER)
        shape = (self.nodes, self.count)
        self.killed, self.main, self.up, self.cni = (np.full(shape, NEVER) for _ in range(4))
        self.fresh = np.zeros(shape, bool)  # the pod is not the old one
        own = (self.slots + 1, self.count)
        self.created, self.images = np.zeros(own, np.int64), {name: np.full(own, NEVER) for name in IMAGES}
        self.before = {name: np.full(own, NEVER) for name in ("init", "done", "main", "up")}  # of the latest attempt
        self.lives: list[tuple[int, Integers, Integers, Integers]] = []  # slot, runs, services up, end of Felix
        self.struck = np.zeros(self.count, np.int64)  # how many of the blows have come
        self.turn = np.zeros(self.count, np.int64)  # in the processing order: all before it have been replaced
        self.failure = np.full(self.count, NEVER)
        self.odd = np.zeros(self.count, bool)
        self.reaction = self.cluster("controller_reaction")
        self.latency = self.cluster("scheduler_latency")
        self.session = self.cluster("bgp_session") * (self.nodes > 1)
        self.old_after = np.maximum(self.cluster("bird_threshold"), self.session)
        self.ready: list[Integers] = []  # when all are, after what comes first and after each turn

    def run(self) -> tuple[Runs, Booleans]:
        """All turns, then the windows."""
        self._check_durations()
        spans: list[Span] = []
        version = clear = np.full(self.count, NEVER)
        attempts: list[Attempt] = []
        if not self.rolling:
            locks = Locks(self)
            locks.run()
            spans, version, clear, attempts = locks.spans, locks.version, locks.clear, locks.attempts
        free, look = self.settle(self.every, attempts, np.zeros(self.count, np.int64))
        self.ready.append(free.copy())
        upcoming = np.array([*(blow.start for blow in self.blows), NEVER])
        while (rows := np.flatnonzero(self.candidate() & (look < NEVER) & ~self.odd)).size:
            attempt = self.replaced(rows, self.durations.order[rows, self.turn[rows]], look[rows])
            ready, then = self._undisturbed(rows, attempt)
            hit = np.flatnonzero(upcoming[self.struck[rows]] <= then)
            if hit.size:
                ready[hit], then[hit] = self.settle(rows[hit], [attempt.of(hit)], np.zeros(len(hit), np.int64))
            free[rows], look[rows] = ready, then
            self.ready.append(free.copy())
        rollout = np.where(self.candidate(), NEVER, free)
        pauses = self._pauses(rollout)
        self._check_calls()
        return self._runs(rollout, pauses, version, clear, spans), self.odd

    # Turns ---------------------------------------------------------------------------------------------------

    def candidate(self) -> Booleans:
        """Whether there is an old pod left; `turn` is moved to the first one."""
        order = self.durations.order
        while True:
            inside = self.turn < self.nodes
            done = inside & self.fresh[order[self.every, np.minimum(self.turn, self.nodes - 1)], self.every]
            if not done.any():
                return inside
            self.turn += done

    def replaced(self, runs: Integers, nodes: Integers, start: Integers) -> Attempt:
        """The pods that the controller replaces at `start`."""
        begin, base = self.deleted(runs, nodes, start)
        return self.attempt(runs, nodes, begin, base, start + np.maximum(self._own("kill", nodes, runs), 1))

    def deleted(self, runs: Integers, nodes: Integers, start: Integers) -> tuple[Integers, Integers]:
        """An old pod is deleted: when the kubelet begins with the new one, and when it sees it."""
        kill = self._own("kill", nodes, runs)
        base = start + self.latency[runs]
        self.killed[nodes, runs] = start + kill
        self.fresh[nodes, runs] = True
        self.created[self.slot_of[nodes], runs] = start
        return np.maximum(start + kill, base), base

    def struck_down(self, blow: Blow, runs: Integers) -> tuple[Integers, Integers, Integers]:
        """A blow comes: when its node's BIRD is down, when the kubelet begins with a new pod and when it sees it."""
        nodes, start = np.full(len(runs), blow.node), np.full(len(runs), blow.start)
        reaction, latency, slot = self.reaction[runs], self.latency[runs], blow.slot
        kill = self._own("kill", nodes, runs)
        fresh, before = self.fresh[blow.node, runs], {name: times[slot, runs] for name, times in self.before.items()}
        for times in self.images.values():
            times[slot, runs] = np.where(times[slot, runs] < start, times[slot, runs], NEVER)
        if blow.deleted:
            bird = ~fresh | (before["up"] < start)
            down = start + np.where(bird, kill, 0)
            created, base = start, start + latency
            begin = np.maximum(start + kill, base)
            # Containers of a deleted pod live for another `kill`: what they still do is for the engine.
            dying = (before["main"] <= start) & (start <= before["up"])
            if self.kubelet.windows("needed_error") or self.kubelet.windows("init_killed"):
                dying |= (before["init"] <= start) & (start <= before["done"])
            self.odd[runs] |= fresh & (kill > 0) & (dying | (self.killed[blow.node, runs] > start))
            self.killed[blow.node, runs] = np.minimum(self.killed[blow.node, runs], down)
        else:
            down = start
            created = np.where(fresh, self.created[slot, runs], start + reaction)
            created = np.maximum(created, blow.created)
            begin = base = np.minimum(np.maximum(blow.end, created + latency), NEVER)
            if blow.end >= NEVER:
                begin = base = np.full(len(runs), NEVER)
            # Back, or deleted, before the controller has noticed that it was off.
            self.odd[runs] |= (blow.end <= start + reaction) | (blow.gone <= start + reaction)
            self.killed[blow.node, runs] = np.minimum(self.killed[blow.node, runs], start)
        self.fresh[blow.node, runs] = True
        self.created[slot, runs] = created
        return down, begin, base

    def attempt(self, runs: Integers, nodes: Integers, begin: Integers, base: Integers, down: Integers) -> Attempt:
        """A new pod of each run, once the version is written."""
        slots = self.slot_of[nodes]
        there = self.images_there(slots, runs)
        if self.rolling:
            started = self.kubelet.rolled(begin, nodes, runs, there["node"], there["cni"])
            init = done = begin
        else:
            init = self.kubelet.init(begin, nodes, runs, there["upgrade"])
            done, failure = self.kubelet.passed(init, nodes, runs)
            cut = self.cuts[slots, self.struck[runs]]
            self.failure[runs] = np.minimum(self.failure[runs], np.where(failure < cut, failure, NEVER))
            started = self.kubelet.started(done, nodes, runs, there["node"], there["cni"])
        return self.made(runs, nodes, base, down, init, done, started)

    def images_there(self, slots: Integers, runs: Integers) -> dict[str, Booleans | None]:
        """Which images are on the nodes already; None: on none of them."""
        there = {name: times[slots, runs] < NEVER for name, times in self.images.items()} if self.slots else {}
        return {name: there[name] if name in there and there[name].any() else None for name in IMAGES}

    def made(
        self,
        runs: Integers,
        nodes: Integers,
        base: Integers,
        down: Integers,
        init: Integers,
        done: Integers,
        started: Started,
    ) -> Attempt:
        """What becomes of a pod whose init container is done then."""
        slots = self.slot_of[nodes]
        cut = self.cuts[slots, self.struck[runs]]
        main, up = started.main, _capped(started.main + self._own("services", nodes, runs))
        felix = self._own("felix_sync" if self.rolling else "felix_ready", nodes, runs)
        if self.by_hand < NEVER:
            felix = np.where(up >= self.by_hand, self._own("felix_sync", nodes, runs), felix)
        cni = up if self.rolling else started.cni
        lives = up < cut
        self.main[nodes, runs] = np.minimum(self.main[nodes, runs], np.where(lives, main, NEVER))
        self.up[nodes, runs] = np.minimum(self.up[nodes, runs], np.where(lives, up, NEVER))
        self.cni[nodes, runs] = np.minimum(self.cni[nodes, runs], np.where(cni < cut, cni, NEVER))
        for slot in range(self.slots):
            own = slots == slot
            if own.any():
                some = runs[own]
                for name, time in (("upgrade", init), ("node", started.node_image), ("cni", started.cni)):
                    self.images[name][slot, some] = np.minimum(self.images[name][slot, some], time[own])
                for name, time in (("init", init), ("done", done), ("main", main), ("up", up)):
                    self.before[name][slot, some] = time[own]
                self.lives.append((slot, some, up[own], self._felix_ends(slot, some, up[own], cut[own])))
        self.odd[runs] |= (up <= down) & (up < NEVER)
        period = np.broadcast_to(self._own("readiness_period", nodes, runs), runs.shape)
        zero = base + self._own("probe_offset", nodes, runs)
        there = np.ones(len(runs), bool)
        return Attempt(there, slots, down, up, up + felix, cni, zero, period, cut, self.gone[slots])

    def _felix_ends(self, slot: int, runs: Integers, up: Integers, cut: Integers) -> Integers:
        """When the containers of an attempt end: a pod that is deleted by hand lives for another `kill`."""
        ends = np.where(up < cut, cut, 0)
        for blow in self.blows:
            if blow.deleted and blow.slot == slot:
                kill = self._own("kill", np.full(len(runs), blow.node), runs)
                ends = np.where(ends == blow.start, np.minimum(blow.start + kill, self._off_after(blow)), ends)
        return ends

    def _off_after(self, blow: Blow) -> int:
        """When the node of a blow goes off next."""
        return min(
            (
                other.start
                for other in self.blows
                if other.slot == blow.slot and other.start >= blow.start and not other.deleted
            ),
            default=NEVER,
        )

    def _own(self, name: str, nodes: Integers, runs: Integers) -> Integers:
        return self.kubelet.own(name, nodes, runs)

    # Until all are Ready again -------------------------------------------------------------------------------

    def _undisturbed(self, runs: Integers, attempt: Attempt) -> tuple[Integers, Integers]:
        """(Ready, the controller's next look) where no blow comes."""
        probed = ceil_grid(attempt.zero, attempt.period, np.maximum(attempt.able, attempt.up + self.session[runs]))
        if self.alone_from < NEVER:
            alone = ceil_grid(attempt.zero, attempt.period, np.maximum(attempt.able, self.alone_from))
            probed = np.minimum(probed, alone)
        ready = _capped(np.maximum(probed, attempt.cni))
        self._check_peers(runs, [attempt], ready)
        return ready, np.where(ready < NEVER, ready + self.reaction[runs], NEVER)

    def settle(self, runs: Integers, attempts: list[Attempt], since: Integers) -> tuple[Integers, Integers]:
        """(all pods are Ready, the controller looks at that) with all blows that come before. `since`: not before."""
        free, look = self._available(runs, attempts, since)
        for number, blow in enumerate(self.blows):
            until = np.where(self.candidate()[runs], look, free)
            hit = np.flatnonzero((self.struck[runs] == number) & (blow.start <= until))
            if hit.size:
                struck = runs[hit]
                self.struck[struck] += 1
                down, begin, base = self.struck_down(blow, struck)
                attempt = Attempt.none(len(runs))
                attempt.put(hit, self.attempt(struck, np.full(len(hit), blow.node), begin, base, down))
                attempts.append(attempt)
                free, look = self._available(runs, attempts, since)
        self._check_peers(runs, attempts, free)
        return free, look

    def _available(self, runs: Integers, attempts: list[Attempt], since: Integers) -> tuple[Integers, Integers]:
        """(all these pods are Ready, the controller looks at that), without further blows."""
        free, changes = since, [since]
        for attempt in attempts:
            ready = self._ready(runs, attempt, attempts)
            ended = np.where(ready < attempt.cut, ready, attempt.cut)  # what then becomes of it is another attempt
            free = np.maximum(free, np.where(attempt.there, np.minimum(ended, attempt.gone), 0))
            changes += [np.where(attempt.there & (time < NEVER), time, since) for time in (ended, attempt.gone)]
        look = np.full(len(runs), NEVER)
        for change in changes:
            seen = change + self.reaction[runs]
            look = np.where((seen >= free) & (free < NEVER), np.minimum(look, seen), look)
        return free, look

    def _ready(self, runs: Integers, pod: Attempt, attempts: list[Attempt]) -> Integers:
        """When a pod is Ready (R12, R13): all sessions are Established, or it is old enough for one."""
        session = self.session[runs]

        def probe(since: Integers) -> Integers:
            return ceil_grid(pod.zero, pod.period, since)

        probed, moved = probe(pod.able), True
        while moved:
            moved = False
            for other in attempts:
                end = np.where(other.up < other.cut, _capped(other.up + session), other.cut)
                end = np.minimum(np.minimum(end, other.gone), self.alone_from)
                fails = other.there & (probed >= other.down) & (probed < end)
                if fails.any():
                    probed, moved = np.where(fails, probe(end), probed), True
        old = probe(np.maximum(pod.able, pod.up + self.old_after[runs]))
        return _capped(np.maximum(np.minimum(probed, old), pod.cni))

    # What is for the engine ----------------------------------------------------------------------------------

    def _check_durations(self) -> None:
        """Runs in which things come together that have an order only the engine knows."""
        node = self.durations.node
        felix = np.minimum(node("felix_ready"), node("felix_sync"))
        if self.scenario.cluster.kubernetes_at_least(1, 21):
            self.odd |= (node("services") + felix <= 0).any(axis=0)
        if not self.rolling:
            self.odd |= (node("pull_node") + node("services") <= 0).any(axis=0)
        self.calls = Calls.of(self.durations)
        self.odd |= self.calls.exceeded_at_once(1)
        self.threshold, self.period = (
            self.cluster("failure_threshold"),
            np.broadcast_to(node("readiness_period").min(axis=0), (self.count,)),
        )
        if self.nodes > 1:  # a young pod fails so many probes at most, until it is old enough
            self.odd |= -(-self.cluster("bird_threshold") // self.period) - 1 >= self.threshold

    def _check_peers(self, runs: Integers, attempts: list[Attempt], free: Integers) -> None:
        """A pod with a peer that stands beside all this has a session; without, it may get unready."""
        begin = np.full(len(runs), NEVER)
        for attempt in attempts:
            begin = np.where(attempt.there, np.minimum(begin, attempt.down), begin)
            # A pod of a node that has just been replaced: the same look may see more.
            soon = attempt.there & (attempt.up < attempt.cut) & (attempt.up <= attempt.down + self.reaction[runs])
            self.odd[runs] |= soon
        if self.nodes - self.slots > 3:
            return
        involved = np.zeros((self.slots + 1, len(runs)), bool)
        for attempt in attempts:
            involved[attempt.slot, np.arange(len(runs))] |= attempt.there
        beside = self.nodes - (self.gone[:, None] <= begin).sum(axis=0) - involved.sum(axis=0)
        lonely = np.minimum(free, self.alone_from) - begin
        long = lonely > (np.minimum(self.threshold, NEVER // self.period) - 1)[runs] * self.period[runs]
        # The last node: it has nobody to wait for if all others are gone before its own pod is replaced.
        last = np.full(len(runs), self.nodes == 1)
        if self.alone_from < NEVER:
            down = np.full(len(runs), NEVER)
            for attempt in attempts:
                stays = attempt.there & (attempt.gone >= NEVER)
                down = np.where(stays, np.minimum(down, attempt.down), down)
            last |= (self.alone_from <= down) & (~long | (not self.rolling and not self.ready))
        upgraded = self.fresh[:, runs].sum(axis=0) > involved.sum(axis=0)
        doubtful = ((beside < 1) & ~last) | ((beside == 1) & long & (upgraded | self.rolling))
        self.odd[runs] |= doubtful & (begin < NEVER)

    def _check_calls(self) -> None:
        """Calls of the controller that may have to wait (`limits`)."""
        if self.calls.interval.any():
            times = [time for blow in self.blows for time in (blow.start, blow.end, blow.gone) if time < NEVER]
            extra = [np.full(self.count, time) for time in times for _ in range(2)]
            syncs = np.sort(np.array([*self.ready, *extra]).reshape(-1, self.count).T, axis=1)
            self.odd |= self.calls.may_wait(syncs, 1)

    # Windows -------------------------------------------------------------------------------------------------

    def _pauses(self, rollout: Integers) -> list[tuple[Integers, Integers]]:
        """Times [from, until) after the rollout in which a pod is not Ready again."""
        pauses = []
        for number, blow in enumerate(self.blows):
            rows = np.flatnonzero((self.struck == number) & (rollout < NEVER) & ~self.odd)
            if rows.size:
                begin, end = np.full(self.count, NEVER), np.full(self.count, NEVER)
                begin[rows] = blow.start
                end[rows], _ = self.settle(rows, [], begin[rows])
                pauses.append((begin, end))
        return pauses

    def _in_sync(self, opened: Integers) -> Integers:
        """When v3's Felix is in sync for the first time [node, run] (R16)."""
        sync = np.broadcast_to(self.durations.node("felix_sync"), self.up.shape)
        poll = self.cluster("felix_poll")

        def seen(up: Integers, opened: Integers, poll: Integers) -> Integers:
            if self.rolling:
                return up
            waited = np.where(up >= opened, up, opened + (up - opened) % poll)
            return np.where(opened >= NEVER, NEVER, waited)

        in_sync = seen(self.up, opened, poll) + sync
        in_sync[self.up >= NEVER] = NEVER
        hit = {blow.slot: blow.node for blow in self.blows}
        for node in hit.values():
            in_sync[node] = NEVER
        for slot, runs, up, end in self.lives:
            time = seen(up, opened[runs], poll[runs]) + sync[hit[slot], runs]
            in_sync[hit[slot], runs] = np.minimum(in_sync[hit[slot], runs], np.where(time < end, time, NEVER))
        return _capped(in_sync)

    def _runs(
        self,
        rollout: Integers,
        pauses: list[tuple[Integers, Integers]],
        version: Integers,
        clear: Integers,
        spans: list[Span],
    ) -> Runs:
        """The windows of `simulator.windows`."""
        horizon = NEVER - 1 if self.scenario.horizon is None else self.scenario.horizon
        around = controllers(self.durations, version)
        opened = np.full(self.count, NEVER) if self.rolling else complete(self.durations, rollout, pauses)
        in_sync = self._in_sync(opened)
        settled = in_sync if self.rolling else np.maximum(in_sync, self.cni)
        gone = self.gone[self.slot_of][:, None]
        # The upgrade is complete when nothing is missing on any node that there is by then (R2).
        others = np.maximum(rollout if self.rolling else opened, around.sync)
        end = np.maximum(others, np.minimum(settled, gone).max(axis=0))
        completed = end <= horizon
        last = np.where(completed, end, horizon)
        exists = gone > last
        whole = np.maximum(others, np.where(exists, settled, 0).max(axis=0))

        def seen(time: Integers) -> Integers:
            return np.where(time > last, NEVER, time)

        clear, opened, keys = seen(clear), seen(opened), seen(around.sync)
        killed, in_sync = seen(self.killed), seen(in_sync)
        main = np.where(self.up > last, NEVER, self.main)  # known when its services are up
        stale = np.minimum(killed, clear)
        begun = exists & (stale < NEVER)
        frozen = np.where(begun, stale, NEVER).min(axis=0)
        synced = np.where(frozen < NEVER, np.where(begun, in_sync, 0).max(axis=0), NEVER)
        staleness = np.where(begun, np.where(in_sync < NEVER, in_sync - stale, NEVER), 0)
        gap = np.where(exists & (killed < NEVER), np.where(main < NEVER, main - killed, NEVER), 0)
        earliest = np.where(exists, in_sync, NEVER).min(axis=0)
        never = np.full(self.count, NEVER)
        return Runs(
            delay=(self.cluster("channels_delay") + self.cluster("apply")) / MICRO,
            clear=clear,
            version=seen(version),
            rollout=seen(rollout),
            complete=opened,
            controllers_down=seen(around.down),
            controllers_init=never if self.rolling else seen(around.init),
            controllers_init_end=never if self.rolling else seen(around.init_end),
            controllers_sync=keys,
            frozen=never if self.rolling else frozen,
            synced=never if self.rolling else synced,
            total=np.where(completed, whole, NEVER),
            block=self._block(spans, opened, last),
            staleness=_length(staleness.max(axis=0)),
            gap=_length(gap.max(axis=0)),
            hazard=np.zeros(self.count, bool) if self.rolling else (earliest < NEVER) & (earliest < keys),
            failed=self.failure <= last,
        )

    def _block(self, spans: list[Span], opened: Integers, last: Integers) -> np.ndarray:
        """The time with v1 Ready false and the datastore closed, in seconds.

        Added up as `windows.flat` does, interval after interval, those that touch joined.
        """
        length = np.zeros(self.count)
        begin, end = np.zeros(self.count, np.int64), np.zeros(self.count, np.int64)
        for runs, start, until in spans:
            until = np.minimum(np.where(until > last[runs], NEVER, until), opened[runs])
            some = (start <= last[runs]) & (start < until)
            runs, start, until = runs[some], start[some], until[some]
            apart = start != end[runs]
            length[runs] += np.where(apart, _length(end[runs] - begin[runs]), 0)
            begin[runs] = np.where(apart, start, begin[runs])
            end[runs] = until
        return length + np.where(end >= NEVER, np.inf, _length(end - begin))


def _capped(time: Integers) -> Integers:
    return np.minimum(time, NEVER)


def _length(micros: Integers) -> npt.NDArray[np.float64]:
    return np.where(micros >= NEVER, np.inf, micros / MICRO)
