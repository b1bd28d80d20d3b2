"""The migration itself, kube-controllers and the completion Job, of many runs at once (R8-R11, R17-R20).

Until the version is written no new pod gets Ready, so only the pods that are deleted at the beginning matter: their
init containers race for the lock. Everything here follows from when they start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.draws import Integers
from simulator.kernel.durations import NEVER, Durations, ceil_grid, narrow
from simulator.protocol.faults import Faults
from simulator.timing import MICRO


@dataclass(slots=True)
class Migration:
    """`done` [run, rank]: when each of the first pods is past its init container; the others are one a run.

    `failure`: the first time that an init container fails. `odd`: runs in which an instant has too much to it.
    """

    done: Integers
    clear: Integers
    version: Integers
    failure: Integers
    odd: npt.NDArray[np.bool_]


def migrate(
    durations: Durations, init: Integers, ranks: slice, started: Callable[[Integers], Integers] | None = None
) -> Migration:
    """The race of the init containers that start at `init` [run, rank] (R8, R9): who locks, who fails, who waits.

    `started` says when calico-node starts that lives, from when the init containers are done; None: nothing fails.
    """

    def own(name: str) -> Integers:
        return durations.ordered(durations.node(name), ranks)

    needed, inprogress = own("needed"), own("inprogress")
    read = init + needed + inprogress  # whether somebody migrates
    checked = read + needed + own("validate")
    cleared = checked + own("clear")
    clear = cleared.min(axis=1)
    # Whoever has checked before the lock is set migrates too (R9). A check in the very instant comes after a lock that
    # took time; without one, it is made in processing order, until one locks at once.
    first = clear[:, None]
    migrates = checked < first
    together = (checked == first) & ~(migrates & (cleared == first)).any(axis=1)[:, None]
    locks = together & (cleared == first)
    migrates |= together & (locks.cumsum(axis=1) - locks == 0)
    objects = durations.scenario.cluster.resources + durations.scenario.cluster.ipam
    rate = own("store_rate")
    stored = (2 * objects * MICRO * MICRO + rate) // (2 * rate)
    migrated = cleared + own("pause") + own("requery") + stored
    main = migrated + own("pull_node") if started is None else started(migrated)
    version = np.where(migrates, main + own("ensure_initialized"), NEVER).min(axis=1)
    if init.shape[1] == 1:
        return Migration(migrated, clear, version, np.full(len(clear), NEVER), np.zeros(len(clear), bool))

    def attempt(since: Integers) -> tuple[Integers, Integers]:
        """(exit 0 or NEVER, exit 1 or NEVER) of init containers that start then and do not migrate."""
        asked = since + needed
        read = asked + inprogress
        known = version[:, None]
        again = np.where(read < first, read, ceil_grid(read, narrow_turn, known)) + needed
        done = np.where(asked >= known, asked, again)
        refused = (read < first) & (asked < known) & (again < known)
        return np.where(refused, NEVER, done), np.where(refused, again + own("validate"), NEVER)

    narrow_turn = narrow(durations.cluster("script_poll")[:, None] + inprogress)
    done, refused = attempt(init)
    # It failed because of the lock, which is still set: the next attempt waits for the version.
    restart = refused + durations.scenario.crash_ladder[0]
    again, _ = attempt(np.where(refused < NEVER, restart, init))
    done = np.where(migrates, migrated, np.where(refused < NEVER, again, done))
    failure = np.where(migrates, NEVER, refused).min(axis=1)
    # A lock that follows a read of its own instant without delay: others may have read, or locked, before it.
    locks_at_once = (migrates & (read + needed == first) & (cleared == first)).any(axis=1)
    odd = locks_at_once & (((read == first) | together).sum(axis=1) > 1)
    return Migration(done, clear, version, failure, odd)


def pulled(since: Integers, duration: Integers, image: str, faults: Faults, ladder: tuple[int, ...]) -> Integers:
    """When a pull is over that was tried first at `since`, on a node without faults of its own (R5)."""
    if not faults.of("image_unpullable"):
        return since + duration
    attempt, tries = since.copy(), 0
    while (failing := fails(attempt, image, faults)).any():
        attempt[failing] += ladder[min(tries, len(ladder) - 1)]
        tries += 1
    return np.where(attempt >= NEVER, NEVER, attempt + duration)


def fails(attempt: Integers, image: str, faults: Faults, node: int | None = None) -> np.ndarray:
    """Which attempts to pull fail; one that would fail for ever is set to NEVER."""
    failing = np.zeros(attempt.shape, bool)
    for fault in faults.of("image_unpullable"):
        if fault.image == image and fault.node in (None, node):
            if fault.until is None:
                attempt[(attempt >= fault.start)] = NEVER
            else:
                failing |= (attempt >= fault.start) & (attempt < fault.until)
    return failing & (attempt < NEVER)


@dataclass(slots=True)
class Controllers:
    """kube-controllers, one instant a run: the old pod gone, init started and done, all keys written."""

    down: Integers
    init: Integers
    init_end: Integers
    sync: Integers


def controllers(durations: Durations, version: Integers) -> Controllers:
    """From the end of the old pod until all keys are written (R17, R21)."""
    scenario, cluster = durations.scenario, durations.cluster
    faults, ladder = Faults(scenario.faults), scenario.image_ladder
    never = np.full(durations.runs, NEVER)
    down = cluster("controllers_old_gone")
    schedulable = faults.over("controllers_unschedulable")
    if schedulable is None:
        return Controllers(down, never, never, never)
    init = init_end = np.maximum(down, schedulable) + cluster("sandbox")
    if not scenario.cluster.rolling:
        init = pulled(init, cluster("pull_upgrade"), "upgrade", faults, ladder)
        init_end = _needed(durations, faults, init, version)
    started = pulled(init_end, cluster("pull_controllers"), "controllers", faults, ladder)
    sync = np.where((init_end >= NEVER) | (started >= NEVER), NEVER, started + cluster("controllers_sync"))
    return Controllers(down, init, init_end, sync)


def _needed(durations: Durations, faults: Faults, init: Integers, version: Integers) -> Integers:
    """When kube-controllers' init container, which starts at `init`, is done: it asks until `needed` says no (R17)."""
    cluster, ladder = durations.cluster, np.array(durations.scenario.crash_ladder)
    turn, reset = cluster("script_poll") + cluster("needed"), cluster("crash_reset")
    started, steps = np.minimum(init, NEVER), np.zeros(durations.runs, np.int64)
    while True:
        asked = started + cluster("needed")
        done = np.where((version >= NEVER) | (started >= NEVER), NEVER, ceil_grid(asked, turn, version))
        failed = np.full(durations.runs, NEVER)
        for fault in faults.of("needed_error"):
            first = ceil_grid(asked, turn, np.full(durations.runs, fault.start))
            inside = (started < NEVER) & (first < (NEVER if fault.until is None else fault.until))
            failed = np.where(inside, np.minimum(failed, first), failed)
        fails = (failed <= done) & (failed < NEVER)
        if not fails.any():
            return done
        steps = np.where(fails & (failed - started > reset), 0, steps)
        again = failed + ladder[np.minimum(steps, len(ladder) - 1)]
        steps += fails
        for fault in faults.of("needed_error"):
            if fault.until is None:  # it goes on like this
                again = np.where(again >= fault.start, NEVER, again)
        started = np.where(fails, again, started)


Pauses = Sequence[tuple[Integers, Integers]]
"""Times [from, until) of each run in which the rollout is not finished any more; they do not overlap, in order."""


def complete(durations: Durations, rollout: Integers, pauses: Pauses = ()) -> Integers:
    """When the datastore is opened, by the Job (R18-R20) or by hand; NEVER: not at all."""
    actions = sorted(durations.scenario.operator, key=lambda action: action.at)
    mismatch = bool(Faults(durations.scenario.faults).of("expected_image_mismatch"))
    never = np.full(durations.runs, NEVER)
    opened = never if mismatch else _by_job(durations, 0, rollout, pauses)
    for action in actions:
        if action.kind == "recreate_job":
            opened = np.where(opened < action.at, opened, _by_job(durations, action.at, rollout, pauses))
    by_hand = min((action.at for action in actions if action.kind == "complete"), default=NEVER)
    return np.minimum(opened, by_hand)


def _by_job(durations: Durations, created: int, rollout: Integers, pauses: Pauses) -> Integers:
    """The same by a Job that is created then."""
    scenario, cluster = durations.scenario, durations.cluster
    faults = Faults(scenario.faults)
    schedulable = faults.over("job_unschedulable")
    if schedulable is None:
        return np.full(durations.runs, NEVER)
    pull = np.minimum(cluster("pull_upgrade"), cluster("job_ready"))
    begin = max(created, schedulable) + cluster("job_ready") - pull
    script = pulled(begin, pull, "upgrade", faults, scenario.image_ladder)
    if not faults.of("complete_fails"):
        opened = _rolled_out(script, rollout, pauses)
        return np.where(opened >= NEVER, NEVER, opened + cluster("complete"))
    return _retried(durations, faults, script, rollout, pauses)


def _rolled_out(since: Integers, rollout: Integers, pauses: Pauses) -> Integers:
    """When the script, which looks from `since` on, sees the rollout finished (R18)."""
    seen = np.maximum(since, rollout)
    for begin, end in pauses:
        seen = np.where((seen >= begin) & (seen < end), end, seen)
    return seen


def _retried(durations: Durations, faults: Faults, script: Integers, rollout: Integers, pauses: Pauses) -> Integers:
    """`complete` fails for some time: the tries of a run, and the restarts of the Job's pod."""
    scenario, cluster = durations.scenario, durations.cluster
    limit = NEVER
    if scenario.cluster.kubernetes_at_least(1, 10, 5):
        limit = int(cluster("job_backoff_limit").max())  # a count: the same in all runs
    retry, length, reset = cluster("complete_retry"), cluster("complete_failed_run"), cluster("crash_reset")
    ladder = scenario.crash_ladder
    opened = np.full(durations.runs, NEVER)
    for_ever = min((fault.start for fault in faults.of("complete_fails") if fault.until is None), default=NEVER)

    def failing(time: Integers) -> np.ndarray:
        active = time >= for_ever
        for fault in faults.of("complete_fails"):
            active |= (time >= fault.start) & (time < (NEVER if fault.until is None else fault.until))
        return active

    running = (script < NEVER) & (rollout < NEVER)
    started = script.copy()
    steps = np.zeros(durations.runs, np.int64)  # how far up the ladder
    restarts = 0
    while running.any():
        begin = _rolled_out(started, rollout, pauses)
        running &= begin < NEVER
        now, failed = begin.copy(), np.zeros(durations.runs, bool)
        trying = running & failing(now)
        while trying.any():
            last = trying & (now + retry >= begin + length)
            failed |= last
            trying &= ~last
            now = np.where(trying, now + retry, now)
            trying &= failing(now)
        opened = np.where(running & ~failed, now + cluster("complete"), opened)
        running &= failed
        ended = begin + length
        running &= ~((ended >= for_ever) & (begin >= for_ever) & (limit >= NEVER))  # it goes on like this
        steps = np.where(ended - started > reset, 0, steps)
        wait = np.array(ladder)[np.minimum(steps, len(ladder) - 1)]
        steps += 1
        started = np.where(running, ended + wait, started)
        restarts += 1
        if restarts >= limit:
            break
    return opened
