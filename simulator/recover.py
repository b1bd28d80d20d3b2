"""From an observed state to the recovery: what is wrong, what heals by itself, which steps to take in which order.

What is seen is turned into the reasons of the stall table (`catalogue.STALLS`), and those into steps by the same
function that a simulated stall uses. Where what is seen leaves two answers with different steps, the answer is a
question with one command, and the answer to each of its outcomes: the state, with that outcome put in, is diagnosed
again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from shlex import quote
from typing import Any, Final

from simulator import kubectl
from simulator.catalogue import (
    INIT_LOG,
    JOB_LOG,
    KEYS_V3,
    READY_V1,
    STALLS,
    STEPS,
    VERSION_V1,
    VERSION_V3,
    Etcd,
    Step,
    recovery,
)
from simulator.kubectl import ActorState, Observed, PodState
from simulator.reading import Table, boolean, text, whole
from simulator.scenario import ScenarioError, parse_version

FINISHED: Final = "finished"
NOT_BEGUN: Final = "not-begun"
IN_PROGRESS: Final = "in-progress"
STALLED: Final = "stalled"
UNDECIDED: Final = "undecided"

LOGS: Final[Mapping[str, str]] = {
    "waiting": "Migration is in Progress",
    "migrating": "Migration of the datastore to the V3 API is needed",
    "needed": "Error checking if migration is",
    "conversion": "errors converting data",
    "not-clean": "The v3 datastore is not clean",
    "store": "may have written data into the v3 datastore",
}
"""What the log of calico-node's init container can say, and the sentence of calico-upgrade v1.0.5 that says it.

`migrating`: the sentence stands at the end, behind `Migration is NOT in Progress`; from then on the log is silent,
because the script keeps the output of `start` until it ends.
"""

FLAGS: Final[Mapping[str, tuple[str, str]]] = {
    "v1_ready": (READY_V1, "true or false"),
    "calico_version": (VERSION_V3, f"its calicoVersion; if there is none, the answer of  {VERSION_V1}"),
    "datastore_ready": (VERSION_V3, "its datastoreReady; null if there is none"),
    "v3_keys": (KEYS_V3, "how many keys it names, or true and false"),
    "init_log": (INIT_LOG, "one of the words below, or the log itself; POD is a calico-node pod in Init"),
}
"""The flags of a state: how to read each, and what its value is."""


class NoAnswerError(Exception):
    """What was given says nothing about an upgrade, or contradicts itself; the message says why."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known. None is unknown; `calico_version` "" says that there is none.

    `v3_keys`: how many keys the v3 store holds, at least. `init_log`: a key of `LOGS`. `job_waits`: the Job's log says
    that it waits for another image.
    """

    v1_ready: bool | None = None
    calico_version: str | None = None
    datastore_ready: bool | None = None
    v3_keys: int | None = None
    init_log: str | None = None
    job_waits: bool | None = None
    observed: Observed = field(default_factory=Observed)


@dataclass(frozen=True, slots=True)
class Question:
    """What has to be known before anything is done, and the command that shows it."""

    ask: str
    command: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do from here.

    `verdict` is one of the words above. `faults` are ids of the catalogue, `reasons` those of the stall table, `steps`
    names of `catalogue.STEPS` in order. `waits` is what goes on by itself, each with the longest that it can take.
    `names` fills the capitals of a step's commands, by step ("" is the question). `runs_in` is a running container that
    has calico-upgrade ("POD -c CONTAINER"), or empty. An undecided answer has a `question` and for each outcome an
    answer of its own.
    """

    verdict: str
    summary: str
    faults: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    waits: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    question: Question | None = None
    branches: tuple[tuple[str, Answer], ...] = ()
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    runs_in: str = ""


# --- reading --------------------------------------------------------------------------------------------


def read_state(data: object, flags: Mapping[str, Any]) -> State:
    """The state in JSON data: flags with `pods`, or kubectl's JSON. `flags` are options, which win; None says nothing.

    Raises:
        ScenarioError: a value is not what it can be, with its place.

    """
    table = Table(data, "")
    given: dict[str, Any] = {}
    if "kind" in table.data or "items" in table.data:
        observed = kubectl.read(data)
    else:
        table.known(*FLAGS, "pods")
        given = {name: _READERS[name](table.data[name], name) for name in FLAGS if table.data.get(name) is not None}
        observed = _pods(table)
    given |= {name: _READERS[name](value, f"--{name.replace('_', '-')}") for name, value in flags.items()}
    return State(**given, observed=observed)


def _pods(table: Table) -> Observed:
    """`pods`: kubectl's List, or a list of kubectl's objects and of short forms."""
    value = table.data.get("pods")
    if isinstance(value, Mapping):
        return kubectl.read(value, "pods")
    objects, short = [], []
    for pod in table.items("pods") if value is not None else ():
        if "kind" in pod.data or "metadata" in pod.data:
            objects.append(kubectl.read({"kind": "Pod", **pod.data}, pod.place))
        else:
            short.append(kubectl.read_short(pod))
    return Observed(
        pods=(*(pod for found in objects for pod in found.pods), *short),
        jobs=tuple(job for found in objects for job in found.jobs),
        nodes={name: ready for found in objects for name, ready in found.nodes.items()},
        on_delete=any(found.on_delete for found in objects),
    )


def _keys(value: object, place: str) -> int:
    if isinstance(value, bool):
        return int(value)
    return whole(0)(value, place)


def _log(value: object, place: str) -> str:
    """A word of `LOGS`, or the log: of its sentences the last one counts."""
    words = text(value, place)
    if words in LOGS:
        return words
    last = {word: words.rfind(sentence) for word, sentence in LOGS.items()}
    word = max(last, key=lambda word: last[word])
    if last[word] < 0:
        raise ScenarioError(place, "it is none of the words, and no log with one of calico-upgrade's sentences", _WORDS)
    # `needed` and `inprogress` speak before every `start`: what `start` says of its failure counts.
    return word


_WORDS = f"use one of {', '.join(LOGS)}"
_READERS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "v1_ready": boolean,
    "calico_version": text,
    "datastore_ready": boolean,
    "v3_keys": _keys,
    "init_log": _log,
}


# --- what follows from what is seen -----------------------------------------------------------------------


class _Facts:
    """What follows from a state; None where it does not say."""

    def __init__(self, state: State) -> None:
        self.state = state
        seen = state.observed
        self.nodes = [pod for pod in seen.of(kubectl.NODE) if pod.state is not ActorState.TERMINATING]
        self.new = [pod for pod in self.nodes if pod.new]
        self.old = [pod for pod in self.nodes if not pod.new]
        self.controllers = [pod for pod in seen.of(kubectl.CONTROLLERS) if pod.new]
        self.old_controllers = [pod for pod in seen.of(kubectl.CONTROLLERS) if not pod.new]
        # Of a Job that was tried again in a new pod the newest one counts, which kubectl lists last.
        self.job = next(reversed(seen.of(kubectl.JOB)), None)
        lost = [pod.node for pod in seen.pods if pod.state is ActorState.LOST and pod.node is not None]
        self.down = sorted({name for name, ready in seen.nodes.items() if ready is False} | set(lost))
        self.up = [pod for pod in self.new if pod.node not in self.down and pod.state is not ActorState.LOST]
        self.past_init = any(pod.past_init for pod in self.up)

    def in_state(self, *states: ActorState) -> list[PodState]:
        """New calico-node pods on nodes that are up, by state."""
        return [pod for pod in self.up if pod.state in states]

    @cached_property
    def rolling(self) -> bool:
        """There is nothing to migrate: calico-node is v3 and has no init container that would."""
        return bool(self.new) and not self.old and self.job is None and not any(pod.migrates for pod in self.new)

    @cached_property
    def version(self) -> tuple[int, int, int] | None:
        """CalicoVersion; None if it is unknown or no version."""
        try:
            return parse_version(self.state.calico_version or "")[:3]
        except ValueError:
            return None

    @cached_property
    def bad_version(self) -> bool:
        """A version is known with which `needed` cannot answer yes or no."""
        given = self.state.calico_version is not None
        return given and self.versioned is False and (self.version is None or self.version < (2, 6, 5))

    @cached_property
    def versioned(self) -> bool | None:
        """Whether v3 has been written, so that nothing is migrated any more (t_ver).

        A node that is Ready with v3 proves it, also against a CalicoVersion that was read from the v1 store, where it
        stays at v2.6 for ever.
        """
        state = self.state
        if self.rolling or state.datastore_ready or any(pod.state is ActorState.READY for pod in self.new):
            return True
        if any(pod.past_init for pod in self.controllers):
            return True
        if state.calico_version is not None:
            return self.version is not None and self.version >= (3, 0, 0)
        if state.init_log is not None and state.init_log != "needed":
            return False  # each of these sentences comes after `needed` has said yes
        if not self.new and self.nodes:
            return False
        if any(pod.state is ActorState.INIT for pod in self.controllers) and not self.past_init:
            return False  # it asks `needed` every 5 s, and has been told yes
        return None

    @cached_property
    def opened(self) -> bool | None:
        """Whether the datastore is open for v3."""
        if self.rolling:
            return True
        if self.state.datastore_ready is not None:
            return self.state.datastore_ready
        if any(job.done for job in self.state.observed.jobs):
            return True
        if self.job is not None:
            return self.job.state is ActorState.DONE
        return False if self.versioned is False else None

    @cached_property
    def rolled(self) -> bool:
        """Every node that is seen runs v3 and is Ready."""
        known = {pod.node for pod in self.nodes}
        missing = [name for name in self.state.observed.nodes if name not in known]
        every = all(pod.state is ActorState.READY for pod in self.new)
        return bool(self.new) and not self.old and not missing and every

    @cached_property
    def locked(self) -> bool | None:
        """Whether v1's Ready is false."""
        if self.state.v1_ready is not None:
            return not self.state.v1_ready
        return {"waiting": True, "not-clean": False, "conversion": False}.get(self.state.init_log or "")

    @cached_property
    def interrupted(self) -> bool | None:
        """Whether the datastore is locked and nobody is migrating; None where the log has to tell."""
        if self.versioned is True or self.past_init or self.locked is False:
            return False
        if self.state.init_log is not None:
            return self.locked if self.state.init_log in ("waiting", "store") else False
        running = self.in_state(ActorState.INIT)
        if self.versioned is False and self.locked and self.nodes and all(pod.restarts for pod in running):
            return True  # nobody can migrate, or only one that was interrupted before
        return None if running or (self.locked and not self.nodes) else False

    @cached_property
    def waits_for_image(self) -> bool | None:
        """Whether the Job waits for an image that the DaemonSet does not run."""
        jobs = [job.expects for job in self.state.observed.jobs]
        expects = next((name for name in [self.job.expects if self.job else None, *jobs] if name), None)
        images = {pod.image for pod in self.new if pod.image}
        if self.state.job_waits is not None or expects is None or not images:
            return self.state.job_waits
        return not any(expects in image for image in images)


def _reasons(facts: _Facts) -> list[str]:
    """The reasons of the stall table that hold, in its order, as far as they can be seen."""
    log, versioned = facts.state.init_log, facts.versioned
    up_pods = [*facts.up, *facts.controllers, *([facts.job] if facts.job else ())]
    keys, failed = facts.state.v3_keys, facts.in_state(ActorState.INIT_FAILED)
    dirty = keys != 0 and (log in ("not-clean", "store") or (facts.state.v1_ready is True and bool(keys)))
    stuck = [pod for pod in facts.controllers if pod.unschedulable or pod.state is ActorState.CRASHED]
    stuck += [pod for pod in facts.old_controllers if pod.state is ActorState.TERMINATING and pod.node in facts.down]
    holds = {
        "node_not_ready": bool(facts.down),
        # Once v3 is written an init container asks for nothing else.
        "needed_error": facts.bad_version or log == "needed" or (versioned is True and bool(failed)),
        "conversion_error": versioned is not True and log == "conversion",
        "image_unpullable": any(pod.pull_fails and pod.node not in facts.down for pod in up_pods),
        "main_crash": bool(facts.in_state(ActorState.CRASHED)),
        "store_fails": versioned is not True and log == "store",
        "migration_interrupted": facts.interrupted is True,
        "v3_not_empty": versioned is False and not facts.past_init and facts.locked is False and dirty,
        "controllers_unschedulable": bool(stuck),
        "on_delete": facts.state.observed.on_delete and bool(facts.old),
    }
    found = [reason for reason in STALLS if holds.get(reason)]
    # While the roll goes on the Job has time; what is wrong with it counts when everything waits for it.
    if facts.opened is not True and (found or facts.rolled) and (job := _job_reason(facts)):
        found.append(job)
    return found


def _job_reason(facts: _Facts) -> str | None:
    job = facts.job
    if any(job.failed for job in facts.state.observed.jobs) or (job and job.state is ActorState.FAILED):
        return "job_failed"
    if facts.waits_for_image:
        return "expected_image_mismatch"
    if facts.state.observed.on_delete:
        return "rollout_status_refused"
    if job is not None and facts.rolled and (job.state is ActorState.CRASHED or job.restarts):
        return "complete_fails"
    if job is not None and job.unschedulable:
        return "job_unschedulable"
    if facts.rolled and facts.state.datastore_ready is False and (job is None or job.state is ActorState.DONE):
        return "job_unschedulable"
    return None


def not_ready(state: State) -> list[str]:
    """The nodes that are NotReady: by their own condition, or by a pod whose node does not answer."""
    return _Facts(state).down


# --- diagnosis ------------------------------------------------------------------------------------------


def diagnose(state: State) -> Answer:
    """What to do from here.

    Raises:
        NoAnswerError: nothing of the upgrade is in the state, or it contradicts itself.

    """
    facts = _Facts(state)
    if state == State():
        raise NoAnswerError("nothing of the upgrade is in it: no pod of Calico, no completion Job, no flag")
    if state.datastore_ready and facts.version is not None and facts.version < (3, 0, 0) and not facts.past_init:
        raise NoAnswerError(
            f"datastoreReady is true, but CalicoVersion is {state.calico_version} and no pod runs v3: that cannot be. "
            f"Read both from one place: {VERSION_V3}"
        )
    return _asked(facts) or _answer(facts)


def _asked(facts: _Facts) -> Answer | None:
    """The one question to be answered first, with the answers that follow; None if it changes nothing."""
    state, running = facts.state, facts.in_state(ActorState.INIT)
    failed = facts.in_state(ActorState.INIT_FAILED)
    unseen = [pod for pod in facts.in_state(ActorState.UNSEEN) if pod.node not in state.observed.nodes]
    logs = {word: replace(state, init_log=word) for word in LOGS}
    names = {"POD": quote((running or failed or facts.nodes or [_NOBODY])[0].name)}
    if unseen and (node := unseen[0].node) is not None:
        known = state.observed.nodes
        outcomes = {
            f"{node} is NotReady": _with_nodes(state, {**known, node: False}),
            f"{node} is Ready": _with_nodes(state, {**known, node: True}),
        }
        return _question(f"Is the node {node} Ready?", f"kubectl get node {quote(node)}", outcomes, names)
    if state.init_log == "store" and facts.locked is None:
        outcomes = {f"Ready is {value}": replace(state, v1_ready=value == "true") for value in ("true", "false")}
        return _question("Did calico-upgrade unlock after the failure?", READY_V1, outcomes, names)
    if facts.interrupted is None:
        outcomes = {
            f"the last line is `{LOGS['waiting']}.` (every 5 s)": logs["waiting"],
            f"the last line is `{LOGS['migrating']}.`": logs["migrating"],
        }
        ask = "Does an init container of calico-node migrate, or do all wait?"
        return _question(ask, INIT_LOG, outcomes, names)
    explained = facts.bad_version or (facts.locked is False and state.v3_keys)
    if failed and state.init_log is None and facts.versioned is not True and not explained and not facts.interrupted:
        outcomes = {f"it says `{LOGS[word]} …`": logs[word] for word in ("conversion", "not-clean", "store", "needed")}
        if state.v3_keys == 0:
            outcomes.pop(f"it says `{LOGS['not-clean']} …`")
        return _question("Why does the init container fail?", f"{INIT_LOG} --previous", outcomes, names)
    dirty = facts.locked is False and state.v3_keys
    if (facts.locked or dirty) and facts.versioned is None and not facts.past_init:
        versions = ("v2.6.12", "v3.7.4")
        outcomes = {f"it reads {version[:2]}…": replace(state, calico_version=version) for version in versions}
        return _question("Has a node written v3?", VERSION_V3, outcomes, names)
    if facts.rolled and facts.opened is not True and _job_reason(facts) is None:
        if facts.job is None and facts.opened is None:
            outcomes = {
                "datastoreReady is true": replace(state, datastore_ready=True),
                "datastoreReady is false": replace(state, datastore_ready=False),
            }
            return _question("Is the datastore open?", VERSION_V3, outcomes, names)
        if facts.job is not None and facts.waits_for_image is None:
            outcomes = {
                "its last lines are `Waiting for the image …`": replace(state, job_waits=True),
                "it says anything else": replace(state, job_waits=False),
            }
            return _question("Does the Job wait for another image?", JOB_LOG, outcomes, names)
    return None


_NOBODY: Final = PodState("POD", kubectl.NODE, ActorState.STARTING, "")


def _with_nodes(state: State, nodes: Mapping[str, bool | None]) -> State:
    return replace(state, observed=replace(state.observed, nodes=nodes))


def _question(ask: str, command: str, outcomes: Mapping[str, State], names: Mapping[str, str]) -> Answer | None:
    answers = tuple((outcome, diagnose(state)) for outcome, state in outcomes.items())
    if len({(answer.verdict, answer.steps, answer.question) for _, answer in answers}) == 1:
        return None
    faults = dict.fromkeys(fault for _, answer in answers for fault in answer.faults)
    summary = "What is seen leaves it open: one command decides."
    return Answer(
        UNDECIDED, summary, tuple(faults), question=Question(ask, command), branches=answers, names={"": names}
    )


def _answer(facts: _Facts) -> Answer:
    reasons = _reasons(facts)
    if not reasons:
        return _waiting(facts)
    existing = {pod.node for pod in facts.nodes if pod.node} | set(facts.state.observed.nodes)
    steps = recovery(
        reasons,
        v3_empty=facts.state.v3_keys == 0,
        all_nodes_down=bool(existing) and existing <= set(facts.down),
    )
    faults = dict.fromkeys(fault for reason in reasons for fault in _faults_of(reason, facts))
    return Answer(
        STALLED,
        _sentence("; ".join(_SENTENCES[reason] for reason in reasons)),
        tuple(faults),
        tuple(reasons),
        tuple(steps),
        names=_names(facts),
        runs_in=_runs_in(facts),
    )


def how_to_read() -> str:
    """The flags and how to read each, for --help."""
    lines = ["flags, as options or as keys of STATE, and how to read them (null or left out: unknown):"]
    for name, (command, shows) in FLAGS.items():
        lines += [Etcd().fill(f"  {name}: {shows}"), Etcd().fill(f"    $ {command}")]
    lines.append("words for init_log, and the sentence in the log that each stands for:")
    lines += [f"  {word:10} {sentence}" for word, sentence in LOGS.items()]
    return "\n".join(lines)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


_SENTENCES: Final[Mapping[str, str]] = {
    "node_not_ready": "a NotReady node holds the roll",
    "needed_error": "`calico-upgrade needed` fails: etcd does not answer, or CalicoVersion is not 2.6.5 or later",
    "conversion_error": "v1 data does not convert",
    "image_unpullable": "an image cannot be pulled",
    "main_crash": "calico-node crashes",
    "store_fails": "writing the v3 data has failed",
    "migration_interrupted": "the migration was interrupted: the datastore is locked, and everybody waits for nobody",
    "v3_not_empty": "the v3 store holds a partial copy, and every new attempt fails because of it",
    "controllers_unschedulable": "kube-controllers does not run",
    "on_delete": "the DaemonSet replaces no pod by itself (OnDelete, as kOps before 1.9 left it)",
    "rollout_status_refused": "the completion Job asks for a rollout status, which there is none of with OnDelete",
    "job_failed": "the completion Job is Failed",
    "expected_image_mismatch": "the completion Job waits for an image that never comes",
    "complete_fails": "the completion Job fails",
    "job_unschedulable": "no pod of the completion Job can run",
}


def _faults_of(reason: str, facts: _Facts) -> tuple[str, ...]:
    """The catalogue's faults behind a reason, as far as what is seen tells them apart."""
    keys = facts.state.v3_keys
    if reason == "node_not_ready":
        return ("F13",) if facts.versioned is False and not facts.locked else ("F14",)
    if reason == "needed_error":
        return ("F9",) if facts.bad_version else ("F10",) if facts.version or facts.versioned else ("F9", "F10")
    if reason == "migration_interrupted":
        others = ("F5",) if len(facts.new) > 1 else ()
        if facts.state.init_log == "store":
            return ("F8", *others)
        return (*(("F2",) if not keys else ()), *(("F3", "F4") if keys != 0 else ()), *others)
    if reason == "store_fails":
        return () if facts.interrupted else ("F7",)
    if reason == "job_unschedulable":
        return ("F16",) if facts.job is not None and facts.job.unschedulable else ("F16", "F19")
    if reason == "image_unpullable":
        pulls = {pod.app for pod in facts.state.observed.pods if pod.pull_fails}
        ids = {kubectl.NODE: "F12", kubectl.CONTROLLERS: "F15", kubectl.JOB: "F16"}
        return tuple(fault for app, fault in ids.items() if app in pulls)
    return _FAULTS_OF[reason]


_FAULTS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "conversion_error": ("F6",),
    "main_crash": ("F11",),
    "v3_not_empty": ("F7",),
    "controllers_unschedulable": ("F15",),
    "on_delete": (),
    "rollout_status_refused": (),
    "job_failed": ("F17",),
    "expected_image_mismatch": ("F18",),
    "complete_fails": ("F17",),
}


def _names(facts: _Facts) -> dict[str, dict[str, str]]:
    """What fills the capitals in the steps' commands."""
    pulls = [pod for pod in facts.state.observed.pods if pod.pull_fails and pod.node not in facts.down]
    suspects = {
        "fix_image": pulls,
        "delete_pod": facts.old,
        "fix_node": facts.in_state(ActorState.CRASHED),
        "fix_v1_data": facts.in_state(ActorState.INIT_FAILED, ActorState.INIT),
        "fix_version": facts.in_state(ActorState.INIT_FAILED, ActorState.INIT),
        "delete_v3_data": facts.in_state(ActorState.INIT_FAILED, ActorState.INIT),
        "abort": facts.in_state(ActorState.INIT),
        "fix_controllers": [pod for pod in facts.old_controllers if pod.state is ActorState.TERMINATING],
    }
    names = {step: {"POD": quote(pods[0].name)} for step, pods in suspects.items() if pods}
    if facts.down:
        names["delete_node"] = {"NODE": " ".join(map(quote, facts.down))}
    return names


def _runs_in(facts: _Facts) -> str:
    """A container with calico-upgrade in it that runs, so that nobody has to install it."""
    containers = [(pod, "migrate") for pod in facts.in_state(ActorState.INIT)]
    containers += [(pod, "migrate") for pod in facts.controllers if pod.state is ActorState.INIT]
    if facts.job is not None and facts.job.state in (ActorState.READY, ActorState.RUNNING):
        containers.append((facts.job, "migrate-completion"))
    return next((f"{quote(pod.name)} -c {container}" for pod, container in containers), "")


# --- nothing is wrong -----------------------------------------------------------------------------------


def _waiting(facts: _Facts) -> Answer:
    """Not begun, going on by itself, or finished."""
    state, nodes = facts.state, facts.nodes
    waits = list(_waits(facts))
    notes = []
    if (job := _job_reason(facts)) is not None and facts.opened is not True:
        notes.append(f"Later: {_SENTENCES[job]}. When every node runs v3 and is Ready, complete by hand.")
    if waits:
        faults = ("F23",) if facts.opened and facts.old else ()
        summary = "Nothing to do: it goes on by itself."
        return Answer(IN_PROGRESS, summary, faults, waits=tuple(waits), notes=tuple(notes))
    if nodes and not facts.new:
        return Answer(NOT_BEGUN, "Nothing to do: every calico-node pod runs v2, the upgrade has not begun.")
    if nodes:
        return Answer(FINISHED, "Nothing to do: every node runs v3 and is Ready, and the datastore is open.")
    if facts.opened:
        summary = "The datastore is open: pods start on every node that runs v3."
    elif facts.versioned:
        summary = "The data is migrated: the roll goes on, then the Job opens the datastore."
    elif state.v1_ready:
        summary = "Nothing is locked: the migration has not begun, or is about to."
    else:
        raise NoAnswerError(f"what is given does not say where the upgrade stands; add the pods: {_EVERYTHING}")
    return Answer(
        IN_PROGRESS, summary, notes=(f"Whether it gets on shows in the pods; give them as well: {_EVERYTHING}",)
    )


_EVERYTHING: Final = "kubectl -n kube-system get pods,jobs,daemonsets,nodes -o json"


def _waits(facts: _Facts) -> Iterator[tuple[str, str]]:
    """What goes on by itself, and the longest that it can take."""
    running, starting = facts.in_state(ActorState.INIT), facts.in_state(ActorState.STARTING, ActorState.UNSEEN)
    starting += facts.in_state(ActorState.UNSCHEDULED)
    if facts.state.init_log == "migrating":
        yield (
            "calico-node's init container copies the data: 15 s of pause, then 60 to 200 objects a second",
            "1 min for 2,000 objects; if the log stays silent longer, ask again",
        )
    elif running and facts.versioned is True:
        yield f"the init container on {_on(running)} ends: nothing is left to migrate", "5 s"
    elif running:
        yield f"the init container on {_on(running)} checks the data, locks the datastore and copies", "1 min"
    if failed := facts.in_state(ActorState.INIT_FAILED):
        yield f"kubelet restarts the init container on {_on(failed)}", "5 min"
    if starting:
        yield f"the pod on {_on(starting)} starts", "some minutes if an image is pulled slowly"
    if given_up := facts.in_state(ActorState.FAILED, ActorState.DONE):
        yield f"the DaemonSet replaces the pod on {_on(given_up)}, which has failed", "some seconds"
    if late := facts.in_state(ActorState.RUNNING):
        yield f"the pod on {_on(late)} becomes Ready: after 30 s one BGP peer is enough", "1 min after its start"
    if missing := sorted(set(facts.state.observed.nodes) - {pod.node for pod in facts.nodes} - set(facts.down)):
        yield f"{_some(missing)} gets its calico-node pod", "some seconds"
    if facts.old and facts.new:
        closed = "; these stay closed until it is their turn" if facts.opened else ""
        yield (
            f"{len(facts.old)} of {len(facts.nodes)} nodes still run v2: they follow one after the other{closed}",
            "about 30 s a node, if its images are pulled quickly",
        )
    if facts.rolling and len({pod.image for pod in facts.new}) > 1:
        yield "the roll: not all pods run the same image yet", "about 30 s a node, if its images are pulled quickly"
    if facts.rolled and facts.opened is False:
        yield "every node runs v3: the completion Job opens the datastore", "15 s, its start included"
    for pod in facts.controllers:
        if pod.state is ActorState.INIT and facts.versioned is not True:
            yield "kube-controllers waits for the first node that runs v3", "5 s after that node"
        elif pod.state not in (ActorState.READY, ActorState.DONE):
            yield "kube-controllers starts and writes the policies anew", "1 min"


def _on(pods: Sequence[PodState]) -> str:
    return _some(sorted({pod.node or pod.name for pod in pods}))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def filled(command: str, names: Mapping[str, str]) -> str:
    """A command of the catalogue with what is known put in for its capitals."""
    return re.sub(r"\b(POD|NODE)\b(?!:)", lambda match: names.get(match[1], match[1]), command)


def steps_of(answer: Answer) -> list[Step]:
    """The answer's steps with their commands as they are typed, but for etcdctl's endpoints."""
    found = []
    for name in answer.steps:
        step, names = STEPS[name], answer.names.get(name, {})
        commands = [filled(command, names) for command in step.commands]
        if answer.runs_in and commands[0].startswith("calico-upgrade "):
            commands[0] = f"kubectl -n kube-system exec {answer.runs_in} -- {commands[0]}"
        texts = {name: filled(getattr(step, name), names) for name in ("see", "look", "never")}
        found.append(replace(step, commands=tuple(commands), **texts))
    return found
