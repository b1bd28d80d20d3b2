"""The rules R1-R21 once more, as plainly as possible: every poll and probe is ticked, every look scans all nodes.

The extensions J (nodes that join), O (OnDelete) and B (rollback) as well.

No SimPy, no sleeping until something changes, no counts kept up to date. Slow, and only for times that are
multiples of half a second. The property tests demand that the engine gives exactly the same results.
"""

from __future__ import annotations

import math
from typing import Any

from simulator.timing import PER_NODE, TIMINGS

FAULT, KILL, STEP, CHECK, POLL = range(5)
NEVER = math.inf


class KilledError(Exception):
    """The init container is killed."""


class Task:
    """A generator of (delay, phase), and when it goes on."""

    def __init__(self, world, rank, story, owner=None):
        self.world, self.rank, self.story, self.owner = world, rank, story, owner
        self.time, self.phase, self.alive = 0, STEP, True
        world.tasks.append(self)
        self.go()

    def go(self, throw=None):
        try:
            delay, self.phase = self.story.throw(throw) if throw else next(self.story)
            self.time = self.world.t + delay
        except StopIteration:
            self.alive = False


class Pod:
    def __init__(self, node, new):
        self.node, self.new, self.created, self.deleted = node, new, node.world.t, False
        self.base, self.running = 0, None  # running: init or main
        self.services = self.felix_ready = None  # since when
        self.probed = self.cni = self.migrating = self.past_init = self.looping = False
        self.cni_started, self.failures, self.waiting, self.life = False, 0, set(), None
        self.felix_v2 = False  # v2's Felix has come up

    def ready(self):
        if not self.node.up or self.running != "main":
            return False
        if not self.new and not self.node.world.rolling:
            return True
        return self.probed and (self.cni or self.node.world.rolling)

    def end(self):
        world = self.node.world
        if self.running == "main" and not self.new and world.back_at is None:
            self.node.killed = world.t
        if self.running == "main" and self.new:
            self.node.v3_ended = world.t
        if self.running == "main":
            self.node.bird = None
        for task in self.node.world.tasks:
            if task.owner is self:
                task.alive = False
        self.running = self.services = None
        self.probed = self.cni = self.migrating = self.past_init = self.looping = self.felix_v2 = False
        self.waiting = set()
        if world.back_at is not None and not any(
            pod.migrating for node in world.nodes for pod in (*node.dying, node.pod)
        ):
            world.set_v1(True)


class Node:
    def __init__(self, world, index):
        self.world, self.index, self.name = world, index, f"n{index + 1}"
        self.up = True
        self.joins = index >= world.data["cluster"]["nodes"]
        self.exists = self.known = not self.joins  # known: a peer of the others
        self.joined = self.v3_ended = self.cni_v2 = self.main_v2 = self.sync_v2 = None
        self.images = set()
        self.bird = None if self.joins else -NEVER  # up since
        self.bird_v2 = not self.joins and not world.rolling
        self.killed = self.main = self.cni = self.ready_at = self.sync = None
        self.dying = []
        own = world.data.get("per_node", {}).get(self.name, {})
        self.d = {name: world.ticks(name, own.get(name, world.seconds[name])) for name in PER_NODE}


class World:
    def __init__(self, data):
        self.data = data
        cluster = data["cluster"]
        self.t = 0
        self.tasks = []
        self.rolling = cluster.get("protocol") == "v3-rolling"
        version = cluster.get("kubernetes", "1.28.0" if self.rolling else "1.10.0")
        self.version = tuple(int(part) for part in version.split("."))
        self.seconds = {name: entry.golden for name, entry in TIMINGS.items()} | data.get("timing", {})
        self.d = {name: self.ticks(name, value) for name, value in self.seconds.items()}
        self.on_delete = cluster.get("update_strategy") == "OnDelete"
        self.template = True  # the new one
        self.back_at = self.back_done = self.kc_v3_gone = self.kc_back = None
        self.joins = [join["at"] * 2 for join in data.get("joins", [])]
        self.nodes = [Node(self, index) for index in range(cluster["nodes"] + len(self.joins))]
        names = cluster.get("order", [])
        first = [int(name[1:]) - 1 for name in names]
        self.order = [self.nodes[i] for i in [*first, *(i for i in range(len(self.nodes)) if i not in first)]]
        for rank, node in enumerate(self.order):
            node.rank = rank
        objects = cluster.get("objects", {})
        self.objects = objects.get("resources", 200) + objects.get("ipam", 0)
        self.budget = cluster.get("max_unavailable", 1)
        self.faults, self.actions = data.get("faults", []), data.get("operator", [])
        horizon = data.get("horizon", 100000)
        self.horizon = NEVER if horizon is None else horizon * 2
        self.v1, self.v1_history = True, []
        self.version_at = self.complete_at = self.clear_at = self.snapshot = self.rollout_at = None
        self.v3_empty = True
        self.kc_down = self.kc_init = self.kc_done = self.kc_sync = None
        self.kc_waiting, self.job_waiting = set(), set()
        self.init_failures = self.job_restarts = 0
        self.job_failed, self.job_task, self.job_waits = False, None, False
        self.mismatch = any(fault["kind"] == "expected_image_mismatch" for fault in self.faults)

    @staticmethod
    def ticks(name, value):
        if isinstance(value, (list, tuple)):
            return [int(step * 2) for step in value]
        return int(value * 2) if TIMINGS[name].unit == "s" else value

    # Faults -------------------------------------------------------------------------------------------------

    def window(self, fault):
        until = fault.get("until")
        return (fault.get("from") or 0) * 2, NEVER if until is None else until * 2

    def active(self, kind, t=None, **keys):
        t = self.t if t is None else t
        return any(
            fault["kind"] == kind
            and all(fault.get(key) == value for key, value in keys.items())
            and self.window(fault)[0] <= t < self.window(fault)[1]
            for fault in self.faults
        )

    def pull_fails(self, image, node):
        name = node.name if node else None
        return self.active("image_unpullable", image=image, node=None) or (
            name is not None and self.active("image_unpullable", image=image, node=name)
        )

    def last_until(self, kind):
        return max((self.window(fault)[1] for fault in self.faults if fault["kind"] == kind), default=0)

    def set_v1(self, ready):
        if ready != self.v1:
            self.v1 = ready
            self.v1_history.append((self.t, ready))

    # Stories ------------------------------------------------------------------------------------------------

    def pull(self, image, node, duration, waiting, failed=None):
        failures = 0
        while self.pull_fails(image, node):
            if failures == 0 and failed:
                failed()
            waiting.add(image)
            yield self.d["image_ladder"][min(failures, len(self.d["image_ladder"]) - 1)], STEP
            failures += 1
        waiting.discard(image)
        yield duration, STEP

    def pod_pull(self, pod, image, failed=None):
        node = pod.node
        if image not in node.images:
            yield from self.pull(image, node, node.d[f"pull_{image}"], pod.waiting, failed)
            node.images.add(image)

    def install_cni(self, pod):
        def story():
            yield from self.pod_pull(pod, "cni")
            pod.cni = True
            if pod.node.cni is None:
                pod.node.cni = self.t

        if not self.rolling and not pod.cni_started:
            pod.cni_started = True
            Task(self, pod.node.rank, story(), pod)

    def ladder(self):
        state = [0]

        def after(run):
            if run > self.d["crash_reset"]:
                state[0] = 0
            steps = self.d["crash_ladder"]
            wait = steps[min(state[0], len(steps) - 1)]
            state[0] += 1
            return wait

        return after

    def life(self, pod, wait):
        node = pod.node
        pod.cni_started = False
        if wait:
            yield wait, STEP
        yield node.d["sandbox"], STEP
        if not pod.new:
            yield from self.life_v2(pod)
            return
        if self.rolling:
            yield from self.pod_pull(pod, "cni")
            yield node.d["upgrade_ipam"], STEP
            yield node.d["install_cni"], STEP
            yield from self.pod_pull(pod, "node")
            yield node.d["ebpf_bootstrap"], STEP
        else:
            yield from self.pod_pull(pod, "upgrade")
            after = self.ladder()
            while True:
                began, pod.running = self.t, "init"
                try:
                    done = yield from self.init(pod)
                except KilledError:
                    done = False
                pod.running, pod.migrating = None, False
                if done:
                    pod.past_init = True
                else:
                    self.init_failures += 1
                if pod.deleted:
                    return
                if done:
                    break
                yield after(self.t - began), STEP
            yield from self.pod_pull(pod, "node", lambda: self.install_cni(pod))
            self.install_cni(pod)
        after = self.ladder()
        while self.active("main_crash", node=node.name):
            pod.running = "main"
            yield self.d["startup_failed_run"], STEP
            pod.running, pod.looping = None, True
            if pod.deleted:
                return
            yield after(self.d["startup_failed_run"]), STEP
        pod.running, pod.looping = "main", False
        began = self.t
        yield node.d["ensure_initialized"] if node.joins or not self.rolling else 0, STEP
        node.known = True
        if self.version_at is None:
            self.version_at = self.t
        yield began + node.d["services"] - self.t, STEP
        node.bird, node.bird_v2, node.v3_ended = self.t, False, None
        if node.main is None:
            node.main = began
        since = self.t
        yield 0, POLL
        pod.services = since
        sees = self.complete_at is not None or self.rolling
        pod.felix_ready = since + node.d["felix_sync" if sees else "felix_ready"]
        if self.version >= (1, 21, 0) and since == began:
            self.probe(pod)
        while not sees:
            yield self.d["felix_poll"], POLL
            sees = self.complete_at is not None
        yield node.d["felix_sync"], STEP
        if node.sync is None:
            node.sync = self.t

    def life_v2(self, pod):
        node = pod.node
        if node.joins:
            for image in ("node", "cni"):
                if f"v2_{image}" not in node.images:
                    yield node.d[f"pull_{image}"], STEP
                    node.images.add(f"v2_{image}")
        pod.running, began = "main", self.t
        if self.back_at is None:
            node.killed = None
        elif node.cni_v2 is None:
            node.cni_v2 = self.t
        yield node.d["services"], STEP
        node.bird, node.bird_v2 = self.t, True
        if self.back_at is not None and node.main_v2 is None:
            node.main_v2 = began
        while not self.v1:
            yield self.d["felix_poll"], POLL
        yield node.d["felix_sync"], STEP
        pod.felix_v2 = True
        self.in_sync_v2(node, self.t)

    def in_sync_v2(self, node, t):
        if self.back_at is not None and node.sync_v2 is None:
            node.sync_v2 = t

    def resume_v2(self, pod):
        clears = [time for time, ready in self.v1_history if not ready]
        look = clears[-1] if clears else self.t
        while clears and not self.v1_at(look):
            look += self.d["felix_poll"]
        look += pod.node.d["felix_sync"] if clears else 0
        yield max(0, look - self.t), STEP
        self.in_sync_v2(pod.node, look)

    def init(self, pod):
        node = pod.node
        yield node.d["needed"], POLL
        if self.active("needed_error"):
            return False
        if self.version_at is not None:
            return True
        yield node.d["inprogress"], POLL
        if not self.active("needed_error"):
            while self.version_at is None and not self.v1:
                yield self.d["script_poll"] + node.d["inprogress"], POLL
                if self.active("needed_error"):
                    return False
        yield node.d["needed"], POLL
        if self.active("needed_error"):
            return False
        if self.version_at is not None:
            return True
        yield node.d["validate"], CHECK
        if self.active("needed_error") or self.active("conversion_error") or not self.v3_empty or not self.v1:
            return False
        if node.d["clear"]:
            yield node.d["clear"], STEP
        self.set_v1(False)
        pod.migrating = True
        self.clear_at = self.t if self.clear_at is None else self.clear_at
        yield node.d["pause"], STEP
        self.snapshot = self.t
        yield node.d["requery"], STEP
        if self.active("conversion_error"):
            self.set_v1(True)
            return False
        begin = self.t
        for number in range(1, self.objects + 1):
            at = begin + number * 2 / node.d["store_rate"]
            if at > self.t:
                yield at - self.t, STEP
            failing = [
                fault
                for fault in self.faults
                if fault["kind"] == "store_fails"
                and fault["object"] == number
                and self.window(fault)[0] <= self.t < self.window(fault)[1]
            ]
            if failing:
                if failing[0].get("abort_fails"):
                    yield self.d["abort_failed_run"], STEP
                else:
                    self.set_v1(True)
                return False
            if number == 1:  # nobody may empty the prefix while an init writes
                self.v3_empty = False
        return True

    def probes(self, pod, first):
        yield first, POLL
        while True:
            self.probe(pod)
            yield pod.node.d["readiness_period"], POLL

    def probe(self, pod):
        node = pod.node
        if pod.running != "main" or pod.services is None:
            return
        others = [other for other in self.nodes if other.exists and other.known and other is not node]
        up = [
            other.bird is not None
            and max(other.bird, node.bird) + self.d["bgp_session"] <= self.t
            and not (node.joins and other.bird_v2)
            for other in others
        ]
        young = self.t - pod.services < self.d["bird_threshold"]
        good = not others or (all(up) if young else any(up))
        if good and self.t >= pod.felix_ready:
            pod.probed, pod.failures = True, 0
        elif pod.probed:
            pod.failures += 1
            pod.probed = pod.failures < self.d["failure_threshold"]

    def controllers(self):
        yield self.d["controllers_old_gone"], STEP
        self.kc_down = self.t
        until = self.last_until("controllers_unschedulable")
        yield max(0, until - self.t), STEP
        yield self.d["sandbox"], STEP
        if not self.rolling:
            yield from self.pull("upgrade", None, self.d["pull_upgrade"], self.kc_waiting)
            self.kc_init = self.t
            after = self.ladder()
            while True:
                began = self.t
                yield self.d["needed"], POLL
                while self.version_at is None and not self.active("needed_error"):
                    yield self.d["script_poll"] + self.d["needed"], POLL
                if not self.active("needed_error"):
                    break
                yield after(self.t - began), STEP
            self.kc_done = self.t
        yield from self.pull("controllers", None, self.d["pull_controllers"], self.kc_waiting)
        yield self.d["controllers_sync"], STEP
        self.kc_sync = self.t

    def controllers_v2(self):
        yield self.d["controllers_old_gone"] - (self.t if self.kc_down is None else 0), STEP
        self.kc_v3_gone = self.t
        self.kc_down = self.t if self.kc_down is None else self.kc_down
        yield max(0, self.last_until("controllers_unschedulable") - self.t), STEP
        yield self.d["sandbox"], STEP
        yield self.d["controllers_sync"], STEP
        self.kc_back = self.t

    def roll_back(self):
        self.back_at, self.template = self.t, False
        self.set_v1(True)
        self.kc_task.alive = self.job_task.alive = False
        self.kc_waiting, self.job_waiting = set(), set()
        self.mismatch = self.job_failed = self.job_waits = False
        Task(self, len(self.nodes), self.controllers_v2())
        for node in self.nodes:
            if node.exists and node.pod.felix_v2:
                Task(self, node.rank, self.resume_v2(node.pod), node.pod)

    def job(self, mismatch):
        yield max(0, self.last_until("job_unschedulable") - self.t), STEP
        pull = min(self.d["pull_upgrade"], self.d["job_ready"])
        yield self.d["job_ready"] - pull, STEP
        yield from self.pull("upgrade", None, pull, self.job_waiting)
        after = self.ladder()
        while not mismatch:
            began = self.t
            self.job_waits = True
            yield NEVER, STEP  # until the rollout is finished
            end = self.t + self.d["complete_failed_run"]
            while self.active("complete_fails") and self.t + self.d["complete_retry"] < end:
                yield self.d["complete_retry"], STEP
            if not self.active("complete_fails"):
                yield self.d["complete"], STEP
                self.complete_at = self.t if self.complete_at is None else self.complete_at
                return
            yield end - self.t, STEP
            yield after(self.t - began), STEP
            self.job_restarts += 1
            if self.version >= (1, 10, 5) and self.job_restarts >= self.d["job_backoff_limit"]:
                self.job_failed = True
                return

    # Faults, actions, controller ------------------------------------------------------------------------------

    def at(self, time, rank, action):
        def story():
            yield time, FAULT
            action()

        Task(self, rank, story())

    def power(self, node, windows):
        for start, until in windows:
            yield start - self.t, FAULT
            for pod in (*node.dying, node.pod):
                pod.end()
            node.up = False
            yield until - self.t, FAULT
            node.up = True
            if node.exists:
                self.begin(node.pod, 0)

    def join(self, node):
        node.exists, node.joined = True, self.t
        node.pod = Pod(node, self.template)
        self.begin(node.pod, 0)

    def begin(self, pod, wait):
        pod.base = self.t
        pod.life = Task(self, pod.node.rank, self.life(pod, wait), pod)
        Task(self, pod.node.rank, self.probes(pod, pod.node.d["probe_offset"]), pod)

    def delete_pod(self, node):
        old, node.pod = node.pod, Pod(node, self.template)
        old.deleted = True
        kill = node.d["kill"]
        if kill and node.up:
            node.dying.append(old)
            for task in self.tasks:
                if task.owner is old and not (task is old.life and old.running):
                    task.alive = False

            def story():
                yield kill, KILL
                old.end()

            Task(self, node.rank, story())
        else:
            old.end()
        if node.up:
            self.begin(node.pod, kill)

    def act(self, action):
        kind = action["action"]
        node = self.nodes[int(action["node"][1:]) - 1] if "node" in action else None
        if kind == "abort":
            self.set_v1(True)
        elif kind == "delete_v3_data":
            self.v3_empty = True
        elif kind == "complete":
            self.complete_at = self.t if self.complete_at is None else self.complete_at
        elif kind == "delete_pod" and node.exists:
            self.delete_pod(node)
        elif kind == "delete_node":
            if node.up:
                node.pod.end()
            node.exists = False
            node.bird = None
        elif kind == "roll_back":
            self.roll_back()
        elif kind == "recreate_job":
            self.job_task.alive = False
            self.job_waits = self.mismatch = self.job_failed = False
            self.job_restarts, self.job_waiting = 0, set()
            self.job_task = Task(self, len(self.nodes), self.job(False))

    def control(self):
        """One look of the DaemonSet controller."""
        existing = [node for node in self.order if node.exists]
        budget = self.budget
        if isinstance(budget, str):
            budget = math.ceil(int(budget[:-1]) * len(existing) / 100)
        count = sum(not node.pod.ready() for node in existing)
        old = [] if self.on_delete else [node for node in existing if node.pod.new != self.template]
        stale = [node for node in old if not node.pod.ready()]
        ready = [node for node in old if node.pod.ready()]
        deleted = stale + ready[: max(0, budget - count)]
        for node in deleted:
            self.delete_pod(node)
        return bool(deleted)

    def rolled_out(self):
        return self.template and all(node.pod.new and node.pod.ready() for node in self.nodes if node.exists)

    def complete(self):
        if any(action["action"] == "roll_back" and action["at"] * 2 <= self.horizon for action in self.actions):
            return None
        last = [self.kc_sync, self.rollout_at if self.rolling else self.complete_at]
        for node in self.nodes:
            if node.exists:
                last += [node.sync] if self.rolling else [node.sync, node.cni]
        return None if None in last else max(last)

    def instant(self):
        while True:
            self.tasks = [task for task in self.tasks if task.alive]
            due = [task for task in self.tasks if task.time == self.t]
            if due:
                min(due, key=lambda task: (task.phase, task.rank)).go()
            elif not self.control():
                if self.rolled_out():
                    self.rollout_at = self.t if self.rollout_at is None else self.rollout_at
                    if self.job_waits and self.job_task.alive and not self.on_delete:
                        self.job_waits = False
                        self.job_task.go()
                        continue
                break
            for node in self.nodes:
                if node.exists and node.pod.new and node.pod.ready() and node.ready_at is None:
                    node.ready_at = self.t

    def run(self):
        windows = {}
        for rank, fault in enumerate(self.faults):
            if fault["kind"] == "node_not_ready" and (fault.get("from") or 0) != fault.get("until"):
                windows.setdefault(fault["node"], []).append(self.window(fault))
            if fault["kind"] == "init_killed":
                node = self.nodes[int(fault["node"][1:]) - 1]
                self.at(
                    fault["at"] * 2,
                    rank,
                    lambda node=node: node.pod.running == "init" and node.pod.life.go(KilledError()),
                )
        for name, own in windows.items():
            Task(self, -1, self.power(self.nodes[int(name[1:]) - 1], sorted(own)))
        for rank, action in enumerate(self.actions, start=1000):
            self.at(action["at"] * 2, rank, lambda action=action: self.act(action))
        newcomers = [node for node in self.nodes if node.joins]
        for rank, (node, time) in enumerate(zip(newcomers, self.joins, strict=True), start=-1000):
            self.at(time, rank, lambda node=node: self.join(node))
        for node in self.nodes:
            node.pod = Pod(node, node.joins)
            if node.joins:
                continue
            node.pod.running = "main"
            node.pod.felix_v2 = True
            if self.rolling:
                node.pod.probed, node.pod.services, node.pod.felix_ready = True, -NEVER, -NEVER
                Task(self, node.rank, self.probes(node.pod, node.d["probe_offset"]), node.pod)
        self.kc_task = Task(self, len(self.nodes), self.controllers())
        if not self.rolling:
            self.job_task = Task(self, len(self.nodes), self.job(self.mismatch))
        while True:
            self.instant()
            times = [task.time for task in self.tasks if task.alive]
            back = all(node.sync_v2 is not None for node in self.nodes if node.exists)
            if self.back_at is not None and back and self.kc_back is not None:
                self.back_done, self.v3_empty = self.t, True
                break
            if self.complete() is not None:
                break
            self.t = min(times, default=NEVER)
            if self.t > self.horizon:
                self.t = self.horizon
                break
        return self

    # Result ---------------------------------------------------------------------------------------------------

    def spans(self, closed):
        """The intervals of half seconds in which `closed(t)` holds, by asking at every flag change."""
        edges = {0, self.complete_at, *(time for time, _ in self.v1_history)}
        edges |= {time for node in self.nodes for time in (node.cni, node.cni_v2, node.joined, self.usable(node))}
        spans = []
        for edge in sorted(edge for edge in edges if edge is not None):
            if closed(edge) and not (spans and spans[-1][1] is None):
                spans.append([edge, None])
            elif not closed(edge) and spans and spans[-1][1] is None:
                spans[-1][1] = edge
        return [self.s(span) for span in spans]

    def usable(self, node):
        """From when on a node that joins can use the v3 plugin."""
        parts = [None if node.main is None else node.main + node.d["services"]]
        parts += [] if self.rolling else [node.cni]
        return None if None in parts else max(parts)

    def v1_at(self, t):
        return ([True] + [ready for time, ready in self.v1_history if time <= t])[-1]

    def s(self, value):
        if isinstance(value, (list, tuple)):
            return [self.s(part) for part in value]
        if value is None:
            return None
        return int(value) // 2 if value % 2 == 0 else value / 2

    def result(self) -> dict[str, Any]:
        existing = [node for node in self.nodes if node.exists]

        def is_open(t):
            return self.complete_at is not None and t >= self.complete_at

        def blocked(node):
            v3 = self.usable(node) if node.joins else node.cni

            def closed(t):
                if node.joins and t < node.joined:
                    return False
                if node.cni_v2 is not None and t >= node.cni_v2:
                    return not self.v1_at(t)
                if v3 is not None and t >= v3:
                    return not self.rolling and not is_open(t)
                return node.joins or not self.v1_at(t)

            return [] if self.rolling and not node.joins else self.spans(closed)

        def stale(node):
            starts = [time for time in (node.killed, self.clear_at) if time is not None]
            if node.joins:
                starts = [node.joined]
            return [min(starts), first(node.sync, node.sync_v2)] if starts else None

        def first(*times):
            return next((time for time in times if time is not None), None)

        total = self.complete()
        stales = [stale(node) for node in existing if stale(node)]
        enforcement = None
        if stales and not self.rolling:
            ends = [end for _, end in stales]
            enforcement = [min(start for start, _ in stales), None if None in ends else max(ends)]
        early = [n.sync for n in existing if n.sync is not None and (self.kc_sync is None or n.sync < self.kc_sync)]
        gap = None if self.kc_down is None else [self.kc_down, first(self.kc_sync, self.kc_back)]
        init = None if self.kc_init is None else [self.kc_init, first(self.kc_done, self.kc_v3_gone)]
        answer = {
            "completed": total is not None,
            "total": self.s(total),
            "scheduling_block": [] if self.rolling else self.spans(lambda t: not self.v1_at(t) and not is_open(t)),
            "policy_freeze": {
                "controllers_init": self.s(init),
                "conversion": None if self.rolling else self.s(gap),
                "enforcement": self.s(enforcement),
            },
            "controllers_gap": self.s(gap),
            "nodes": {
                node.name: {
                    "ready": self.s(node.ready_at),
                    "staleness": self.s(stale(node)),
                    "container_gap": None
                    if node.killed is None
                    else self.s([node.killed, first(node.main, node.main_v2)]),
                    "scheduling_block": blocked(node),
                }
                | ({"joined": self.s(node.joined)} if node.joins else {})
                for node in existing
            },
            "events": {
                "clear": self.s(self.clear_at),
                "version": None if self.rolling else self.s(self.version_at),
                "rollout": self.s(self.rollout_at),
                "complete": self.s(self.complete_at),
                "controllers_sync": self.s(self.kc_sync),
            },
            "init_failures": self.init_failures,
            "job_restarts": self.job_restarts,
            "hazard_closed": [self.s([min(early), first(self.kc_sync, self.back_done)])]
            if early and not self.rolling
            else [],
            "stall": self.stall() if total is None and self.back_done is None else None,
        }
        if any(action["action"] == "roll_back" for action in self.actions):
            answer["rolled_back"] = self.back_done is not None
            answer["rollback"] = None if self.back_at is None else self.going_back(existing)
        return answer

    def going_back(self, existing):
        def lost(node):
            since = self.usable(node) if node.joins else node.cni
            if since is None or self.complete_at is None:
                return None
            since = max(since, self.complete_at)
            if node.cni_v2 is not None and since >= node.cni_v2:
                return None
            return {"from": self.s(since), "until": self.s(node.cni_v2), "at": self.s(node.sync_v2)}

        def second(node, reached, until):
            return None if reached is None or node.v3_ended is None else self.s([node.v3_ended, until])

        return {
            "at": self.s(self.back_at),
            "done": self.s(self.back_done),
            "controllers_gap": None if self.kc_v3_gone is None else self.s([self.kc_v3_gone, self.kc_back]),
            "nodes": {
                node.name: {
                    "container_gap": second(node, node.main, node.main_v2),
                    "staleness": second(node, node.sync, node.sync_v2),
                    "pods_lost": lost(node),
                }
                for node in existing
            },
        }

    def stall(self):
        nodes = [node for node in self.nodes if node.exists]
        down = [node for node in nodes if not node.up]
        no_version, end = self.version_at is None, self.t
        pods = [node.pod for node in nodes]
        pulls = any(self.pull_fails(image, pod.node) for pod in pods if pod.node.up for image in pod.waiting) or any(
            self.pull_fails(image, None) for image in self.kc_waiting | self.job_waiting
        )
        idle = no_version and not any(pod.migrating or pod.past_init for pod in pods)
        dirty = [] if self.v3_empty else ["delete_v3_data"]
        rows = []
        if down:
            rows.append(("node_not_ready", ["restore_node" if len(down) == len(nodes) else "delete_node"]))
        if self.back_at is not None:
            return self.chosen([*rows, *self.late_rows(nodes)])
        if self.active("needed_error"):
            rows.append(("needed_error", ["fix_version"]))
        if no_version and self.active("conversion_error"):
            rows.append(("conversion_error", ["fix_v1_data"]))
        if pulls:
            rows.append(("image_unpullable", ["fix_image"]))
        if any(pod.looping and self.active("main_crash", node=pod.node.name) for pod in pods):
            rows.append(("main_crash", ["fix_node"]))
        if no_version and self.active("store_fails"):
            rows.append(("store_fails", ["fix_datastore"]))
        if idle and not self.v1:
            rows.append(("migration_interrupted", [*dirty, "abort"]))
        if idle and self.v1 and dirty:
            rows.append(("v3_not_empty", dirty))
        rows += self.late_rows(nodes)
        if any(self.without_peer(node) for node in nodes):
            rows.append(("no_v3_peer", ["delete_pod"]))
        if self.complete_at is None:
            if self.job_failed:
                rows.append(("job_failed", ["complete"]))
            elif self.mismatch:
                rows.append(("expected_image_mismatch", ["complete"]))
            elif self.on_delete:
                rows.append(("rollout_status_refused", ["complete"]))
            elif self.active("complete_fails"):
                rows.append(("complete_fails", ["complete"]))
            elif end < self.last_until("job_unschedulable"):
                rows.append(("job_unschedulable", ["complete"]))
        return self.chosen(rows)

    def late_rows(self, nodes):
        rows = []
        if self.t < self.last_until("controllers_unschedulable"):
            rows.append(("controllers_unschedulable", ["fix_controllers"]))
        if self.on_delete and any(node.pod.new != self.template for node in nodes):
            rows.append(("on_delete", ["delete_pod"]))
        return rows

    def without_peer(self, node):
        """It joined, is up, not Ready, and there are others up, all of them of v2."""
        others = [other for other in self.nodes if other.known and other is not node and other.bird is not None]
        up = node.joins and node.known and node.bird is not None
        return up and not node.pod.ready() and bool(others) and all(other.bird_v2 for other in others)

    @staticmethod
    def chosen(rows):
        steps = []
        for _, row in rows:
            steps += [step for step in row if step not in steps]
        return {"reason": rows[0][0] if rows else "horizon", "recovery": steps}


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """What this oracle gives too, of an engine's result: it answers no probes and dates no stall."""
    rest = {name: value for name, value in answer.items() if name != "probes"}
    if rest["stall"] is not None:
        rest["stall"] = {name: value for name, value in rest["stall"].items() if name != "since"}
    return rest
