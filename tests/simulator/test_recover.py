"""`calico-sim recover`: states made by hand, states of simulated stalls, and anything that is no state at all."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import kubectl, windows
from simulator.catalogue import FAULTS, STALLS, STEPS, Proof
from simulator.cli import main
from simulator.engine import run
from simulator.kubectl import ActorState
from simulator.recover import FLAGS, LOGS, Answer, NoAnswerError, diagnose, read_state
from simulator.scenario import Scenario, ScenarioError
from tests.helpers import ROOT
from tests.simulator.kubectl_json import (
    RUNNING,
    SINCE,
    V3,
    at_the_end,
    container,
    controllers,
    ended,
    flags_at_the_end,
    job,
    job_pod,
    listed,
    machine,
    new_node,
    old_node,
    waiting,
)
from tests.simulator.strategies import scenarios

Json = dict[str, Any]

STATES = ROOT / "fixtures" / "states"
DOC = ROOT / "docs" / "recover.md"
CRASHES = waiting("CrashLoopBackOff")


def asked(data: object, **flags: Any) -> Answer:
    return diagnose(read_state(data, flags))


def fixture(name: str) -> Json:
    data: Json = json.loads((STATES / f"{name}.json").read_text(encoding="utf-8"))
    return data


# --- states made by hand ------------------------------------------------------------------------------------------

EXPECTED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "not-begun": ("not-begun", (), ()),
    "rolling-on": ("in-progress", (), ()),
    "init-waits": ("undecided", (), ("F2", "F3", "F4")),
    "killed-while-copying": ("stalled", ("delete_v3_data", "abort"), ("F3", "F4")),
    "locked-flags-only": ("undecided", (), ("F2",)),
    "init-crashes": ("undecided", (), ("F6", "F7", "F8", "F9", "F10")),
    "store-not-clean": ("stalled", ("delete_v3_data",), ("F7",)),
    "too-old": ("stalled", ("fix_version",), ("F9",)),
    "image-missing": ("stalled", ("fix_image",), ("F12",)),
    "calico-node-crashes": ("stalled", ("fix_node",), ("F11",)),
    "node-lost": ("stalled", ("delete_node",), ("F14",)),
    "pod-pending": ("undecided", (), ("F14",)),
    "controllers-pending": ("stalled", ("fix_controllers",), ("F15",)),
    "job-pending": ("stalled", ("complete",), ("F16",)),
    "job-failed": ("stalled", ("complete",), ("F17",)),
    "image-mismatch": ("stalled", ("complete",), ("F18",)),
    "job-hidden": ("undecided", (), ("F16", "F19")),
    "completed-early": ("in-progress", (), ("F23",)),
    "finished": ("finished", (), ()),
    "short-form": ("stalled", ("abort",), ("F2",)),
    "on-delete": ("stalled", ("delete_pod", "complete"), ()),
    "modern-node-lost": ("stalled", ("delete_node",), ("F14",)),
    "tutorial-120-nodes": ("stalled", ("fix_image",), ("F12",)),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_fixtures(name: str) -> None:
    verdict, steps, faults = EXPECTED[name]
    answer = asked(fixture(name))
    assert (answer.verdict, answer.steps, answer.faults) == (verdict, steps, faults)
    assert (answer.question is None) == (verdict != "undecided")
    assert bool(answer.waits) == (verdict == "in-progress")


def test_every_fixture_is_expected() -> None:
    assert {path.stem for path in STATES.glob("*.json")} == set(EXPECTED)


def outcomes(answer: Answer) -> list[tuple[str, tuple[str, ...]]]:
    return [(branch.verdict, branch.steps) for _, branch in answer.branches]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("init-waits", [("stalled", ("delete_v3_data", "abort")), ("in-progress", ())]),
        ("locked-flags-only", [("stalled", ("abort",)), ("in-progress", ())]),
        ("pod-pending", [("stalled", ("delete_node",)), ("in-progress", ())]),
        ("job-hidden", [("finished", ()), ("stalled", ("complete",))]),
        (
            "init-crashes",
            [
                ("stalled", ("fix_v1_data",)),
                ("stalled", ("delete_v3_data",)),
                ("undecided", ()),
                ("stalled", ("fix_version",)),
            ],
        ),
    ],
)
def test_both_branches_of_a_question(name: str, expected: Any) -> None:
    answer = asked(fixture(name))
    assert answer.question is not None
    assert outcomes(answer) == expected


def test_an_answer_to_the_question_decides() -> None:
    waits = fixture("init-waits")
    assert asked(waits, init_log="waiting", v3_keys=0).steps == ("abort",)
    assert asked(waits, init_log="waiting", v3_keys=True).steps == ("delete_v3_data", "abort")
    assert asked(waits, init_log="migrating").verdict == "in-progress"
    assert asked(waits, v1_ready=True).verdict == "in-progress"
    crashes = fixture("init-crashes")
    assert asked(crashes, init_log="conversion").faults == ("F6",)
    assert asked(crashes, v1_ready=True, v3_keys=12).steps == ("delete_v3_data",)
    assert asked(crashes, init_log="store", v1_ready=True).steps == ("fix_datastore", "delete_v3_data")
    unlocked = asked(crashes, init_log="store", v1_ready=False)
    assert (unlocked.steps, unlocked.faults) == (("fix_datastore", "delete_v3_data", "abort"), ("F8",))
    assert asked(crashes, calico_version="v2.6.4").faults == ("F9",)
    assert asked(crashes, calico_version="").faults == ("F9",)
    assert asked(crashes, calico_version="v2.6.9", init_log="needed").faults == ("F10",)
    hidden = fixture("job-hidden")
    assert asked(hidden, datastore_ready=True).verdict == "finished"
    assert asked(hidden, datastore_ready=False).steps == ("complete",)


def test_an_option_wins_over_the_file() -> None:
    killed = fixture("killed-while-copying")
    assert asked(killed, v3_keys=0).steps == ("abort",)
    assert asked(killed, v1_ready=True, v3_keys=0).verdict == "in-progress"


def test_a_pod_that_is_ready_with_v3_outweighs_the_version_in_the_v1_store() -> None:
    """v1's CalicoVersion stays at v2.6 for ever: nobody may be told to empty a store that is in use."""
    pods = [new_node("calico-node-a", "n1", ended(), RUNNING, ready=True), new_node("calico-node-b", "n2", RUNNING)]
    answer = asked(listed(*pods), calico_version="v2.6.9", v1_ready=False, v3_keys=500)
    assert answer.verdict == "in-progress"


def test_a_rebooted_node_of_a_finished_upgrade_asks_before_anything_is_deleted() -> None:
    """Everything is in Init for a moment, Ready is false since the migration, the v3 store is full."""
    pods = listed(new_node("calico-node-a", "n1", RUNNING, restarts=1))
    answer = asked(pods, v1_ready=False, v3_keys=500)
    assert answer.verdict == "undecided"
    assert answer.steps == ()
    assert asked(pods, v1_ready=False, v3_keys=500, calico_version="v3.7.4").verdict == "in-progress"


def test_the_second_of_two_at_once_is_not_taken_for_a_dead_migration() -> None:
    """F20: one init container migrates, the other has failed once and waits."""
    pods = listed(
        new_node("calico-node-a", "n1", RUNNING),
        new_node("calico-node-b", "n2", RUNNING, restarts=1),
        controllers("m", RUNNING),
    )
    answer = asked(pods, v1_ready=False)
    assert answer.question is not None
    assert [branch.verdict for _, branch in answer.branches] == ["stalled", "in-progress"]


def test_calico_upgrade_is_run_where_it_already_runs() -> None:
    from simulator.recover import steps_of

    (step,) = steps_of(asked(fixture("short-form")))
    assert step.commands[0] == (
        "kubectl -n kube-system exec calico-node-4kz9d -c migrate -- calico-upgrade abort --no-prompts"
    )
    (step,) = steps_of(asked(fixture("job-failed")))
    assert step.commands[0] == "calico-upgrade complete --no-prompts"
    (step,) = steps_of(asked(fixture("image-mismatch")))
    assert " -c migrate-completion -- calico-upgrade complete --no-prompts" in step.commands[0]


def test_trouble_to_come_is_told_while_the_roll_goes_on() -> None:
    pods = fixture("rolling-on")
    pods["items"][5] = job_pod("w", RUNNING, expects="quay.io/calico/node:v3.1.1")
    pods["items"][6] = job(expects="quay.io/calico/node:v3.1.1")
    answer = asked(pods)
    assert answer.verdict == "in-progress"
    assert "waits for an image that never comes" in answer.notes[0]


def test_a_job_whose_expectation_is_not_known_is_asked() -> None:
    ready = new_node("calico-node-a", "n1", ended(), RUNNING, ready=True)
    running = job_pod("w", RUNNING)
    del running["spec"]["containers"][0]["env"]
    answer = asked(listed(ready, running))
    assert answer.question is not None
    assert "Job" in answer.question.ask
    assert outcomes(answer) == [("stalled", ("complete",)), ("in-progress", ())]


# --- states of simulated stalls -----------------------------------------------------------------------------------

STALLING = [
    pytest.param(proof, id=f"{fault.id}-{index}")
    for fault in FAULTS.values()
    for index, proof in enumerate(fault.proofs)
    if proof.reason
]


def known(flags: Json) -> Json:
    return {name: value for name, value in flags.items() if value is not None}


@pytest.mark.parametrize("horizon", [None, 3000])
@pytest.mark.parametrize("proof", STALLING)
def test_the_stall_of_a_run_gets_the_steps_that_the_run_names(proof: Proof, horizon: int | None) -> None:
    trace = run(Scenario.from_dict(proof.scenario | {"horizon": horizon}))
    stall = windows.stall(trace)
    assert stall is not None
    answer = asked(at_the_end(trace), **known(flags_at_the_end(trace)))
    assert answer.verdict == "stalled"
    assert list(answer.steps) == stall["recovery"]
    assert answer.reasons[0] == stall["reason"]


def test_every_fault_that_stalls_is_recognised() -> None:
    for fault in FAULTS.values():
        found: set[str] = set()
        for proof in fault.proofs:
            if proof.reason and fault.id != "F22":  # a rollback is a decision, no state
                trace = run(Scenario.from_dict(proof.scenario | {"horizon": None}))
                found |= set(asked(at_the_end(trace), **known(flags_at_the_end(trace))).faults)
        assert not found or fault.id in found


def unconditional(answer: Answer) -> set[str]:
    return set() if answer.verdict == "undecided" else set(answer.steps)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(scenarios(max_nodes=4), st.floats(1, 400), st.sets(st.sampled_from(sorted(FLAGS))))
def test_no_step_does_harm(data: Json, horizon: float, hidden: set[str]) -> None:
    """At any moment of any run: nothing is deleted or unlocked that is in use, whatever of the flags is known."""
    trace = run(Scenario.from_dict(data | {"horizon": horizon}))
    flags = {name: value for name, value in known(flags_at_the_end(trace)).items() if name not in hidden}
    if trace.ending.migrating:
        flags.pop("init_log", None)
    try:
        answer = asked(at_the_end(trace), **flags)
    except NoAnswerError:
        return
    steps = unconditional(answer)
    if trace.version is not None:
        assert not steps & {"delete_v3_data", "abort"}
    if trace.ending.v1_ready:
        assert "abort" not in steps
    if trace.complete is not None and "datastore_ready" in flags:
        assert "complete" not in steps
    if answer.verdict == "finished" and not trace.scenario.cluster.rolling:
        assert trace.complete is not None
        assert all(node["ready"] is not None for node in windows.result(trace)["nodes"].values())


# --- what kubectl prints ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pod", "status", "state"),
    [
        (old_node("calico-node-a", "n1"), "Running", ActorState.READY),
        (old_node("calico-node-a", "n1", ready=False), "Running", ActorState.LOST),
        (new_node("calico-node-a", None, None), "Pending", ActorState.UNSCHEDULED),
        (new_node("calico-node-a", "n1", None), "Pending", ActorState.UNSEEN),
        (new_node("calico-node-a", "n1", waiting("PodInitializing")), "Init:0/1", ActorState.STARTING),
        (new_node("calico-node-a", "n1", RUNNING), "Init:0/1", ActorState.INIT),
        (new_node("calico-node-a", "n1", ended(1, "Error")), "Init:Error", ActorState.INIT_FAILED),
        (new_node("calico-node-a", "n1", ended(137, "")), "Init:ExitCode:137", ActorState.INIT_FAILED),
        (new_node("calico-node-a", "n1", CRASHES), "Init:CrashLoopBackOff", ActorState.INIT_FAILED),
        (new_node("calico-node-a", "n1", waiting("ErrImagePull")), "Init:ErrImagePull", ActorState.STARTING),
        (new_node("calico-node-a", "n1", ended()), "PodInitializing", ActorState.STARTING),
        (new_node("calico-node-a", "n1", ended(), RUNNING), "Running", ActorState.RUNNING),
        (new_node("calico-node-a", "n1", ended(), RUNNING, ready=True), "Running", ActorState.READY),
        (new_node("calico-node-a", "n1", ended(), CRASHES, RUNNING), "CrashLoopBackOff", ActorState.CRASHED),
        (
            new_node("calico-node-a", "n1", ended(), CRASHES, waiting("ImagePullBackOff")),
            "CrashLoopBackOff",
            ActorState.CRASHED,
        ),
        (new_node("calico-node-a", "n1", RUNNING, deletionTimestamp=SINCE), "Terminating", ActorState.TERMINATING),
        (job_pod("w", ended(), phase="Succeeded"), "Completed", ActorState.DONE),
        (job_pod("w", ended(1, "Error"), restarts=2), "Error", ActorState.CRASHED),
        (job_pod(None, None), "Pending", ActorState.UNSCHEDULED),
    ],
)
def test_status_and_state(pod: Json, status: str, state: ActorState) -> None:
    (found,) = kubectl.read(pod).pods
    assert (found.status, found.state) == (status, state)


def test_an_image_that_fails_is_seen_beside_a_crash() -> None:
    pod = new_node("calico-node-a", "n1", ended(), CRASHES, waiting("ImagePullBackOff"))
    (found,) = kubectl.read(pod).pods
    assert (found.pull_fails, found.past_init, found.new) == (True, True, True)
    assert asked(listed(pod, machine("n1"))).steps == ("fix_image", "fix_node")


def test_lists_of_all_kinds() -> None:
    pod, node = old_node("calico-node-a", "n1"), machine("n1", ready=False)
    bare = copy.deepcopy(pod)
    del bare["kind"]
    assert kubectl.read({"kind": "PodList", "items": [bare]}).pods == kubectl.read(pod).pods
    assert kubectl.read(listed(listed(pod), node, {"kind": "Service"}, job(done=True))).nodes == {"n1": False}
    assert kubectl.read({"items": [pod]}).pods == kubectl.read(pod).pods
    assert kubectl.read({"kind": "List", "items": None}).pods == ()
    other = old_node("calico-node-a", "n1") | {"metadata": {"name": "calico-node-a", "namespace": "default"}}
    assert kubectl.read(listed(other, container("x", V3, RUNNING) | {"kind": "Pod"})).pods == ()


def test_pods_can_be_a_list_or_a_list_object() -> None:
    items = [new_node("calico-node-a", "n1", RUNNING, restarts=1), old_node("calico-node-b", "n2"), machine("n1")]
    flags = {"v1_ready": False, "calico_version": "v2.6.9", "v3_keys": 0}
    assert asked(flags | {"pods": items}) == asked(flags | {"pods": listed(*items)})


@pytest.mark.parametrize("word", LOGS)
def test_a_log_is_recognised(word: str) -> None:
    log = f"Migration of the datastore to the V3 API is needed.\n\n{LOGS[word]}.\n"
    assert read_state({"init_log": log}, {}).init_log == word
    assert read_state({}, {"init_log": word}).init_log == word


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected an object, found a list"),
        ("x", "expected an object, found text"),
        ({"v1ready": True}, "'v1ready' is no known key here; did you mean 'v1_ready'?"),
        ({"v1_ready": "false"}, "v1_ready: expected true or false, found text"),
        ({"calico_version": 2.6}, "calico_version: expected text, found a number"),
        ({"v3_keys": -1}, "v3_keys: -1 is too small"),
        ({"v3_keys": "many"}, "v3_keys: expected a whole number, found text"),
        ({"init_log": "nothing of it"}, "init_log: it is none of the words"),
        ({"pods": 3}, "pods: expected a list, found a number"),
        ({"pods": [3]}, "pods[0]: expected an object, found a number"),
        ({"pods": [{"name": "nginx", "status": "Running"}]}, "pods[0].name: 'nginx' is no pod of the upgrade"),
        ({"pods": [{"name": "calico-node-a"}]}, "pods[0].status: it is missing"),
        ({"pods": [{"name": "calico-node-a", "status": "Running"}]}, "pods[0].image: it is missing"),
        ({"pods": [{"name": "calico-node-a", "status": "Init:0/1", "ready": 1}]}, "pods[0].ready: expected true or"),
        ({"kind": "List", "items": 1}, "items: expected a list, found a number"),
        ({"kind": "List", "items": [{"items": [7]}]}, "items[0].items[0]: expected an object"),
        ({"kind": "List", "items": [{"metadata": {}}]}, "items[0].kind: it is missing"),
        (
            {"kind": "Pod", "metadata": {"name": "calico-node-a"}, "status": {"containerStatuses": [{"ready": 1}]}},
            "status.containerStatuses[0].ready: expected true or false",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(data: object, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        asked(data)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "nothing of the upgrade is in it"),
        (listed(), "nothing of the upgrade is in it"),
        (listed({"kind": "Pod", "metadata": {"name": "nginx-1"}}), "nothing of the upgrade is in it"),
        ({"v3_keys": 3}, "does not say where the upgrade stands"),
        ({"datastore_ready": True, "calico_version": "v2.6.9"}, "that cannot be"),
    ],
)
def test_no_answer_has_a_reason(data: object, reason: str) -> None:
    with pytest.raises(NoAnswerError, match=reason):
        asked(data)


# --- anything ------------------------------------------------------------------------------------------------------

WHOLE = [*map(fixture, EXPECTED)]
JUNK = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
JUNK |= st.sampled_from(["CrashLoopBackOff", "Running", "Init:", "calico-node-x", "Unknown", "1/2", "True", "v3.7.4"])


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@st.composite
def mutilated(draw: st.DrawFn) -> object:
    data = copy.deepcopy(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(data)))
        if not path:
            continue
        parent = data
        for key in path[:-1]:
            parent = parent[key]
        if draw(st.booleans()):
            del parent[path[-1]]
        else:
            parent[path[-1]] = draw(JUNK)
    return data


@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(mutilated())
def test_mutilated_input_gives_an_answer_a_reason_or_a_place(data: object) -> None:
    from simulator.catalogue import Etcd
    from simulator.report.recover import render_json, render_text

    try:
        answer = asked(data)
    except (ScenarioError, NoAnswerError):
        return
    assert json.loads(render_json(answer, Etcd()))["verdict"] == answer.verdict
    assert all(line.isprintable() for line in render_text(answer, Etcd()).splitlines())
    assert set(answer.steps) <= set(STEPS)
    assert set(answer.reasons) <= set(STALLS)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,calico-node \n0', max_size=60).map(str.encode))
def test_bytes_give_a_state_or_a_place(data: bytes) -> None:
    with contextlib.suppress(ScenarioError, NoAnswerError):
        asked(kubectl.load(data))


# --- the command --------------------------------------------------------------------------------------------------


def test_exit_codes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["recover", str(STATES / "finished.json")]) == 0
    assert capsys.readouterr().out.startswith("FINISHED  Nothing to do")
    assert main(["recover", str(STATES / "init-waits.json")]) == 0
    capsys.readouterr()
    nothing = tmp_path / "nothing.json"
    nothing.write_text('{"kind": "List", "items": []}')
    assert main(["recover", str(nothing)]) == 1
    assert "no answer: nothing of the upgrade is in it" in capsys.readouterr().err
    nothing.write_text('{"kind": "List",\n "items": [}')
    assert main(["recover", str(nothing)]) == 2
    assert f"{nothing}: line 2, column 12: this is not JSON" in capsys.readouterr().err
    assert main(["recover", str(tmp_path / "absent.json")]) == 2
    assert main(["recover", str(STATES / "init-waits.json"), "--init-log", "no word"]) == 2
    assert "--init-log: it is none of the words" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["recover", str(nothing), "--v1-ready", "yes"])
    assert caught.value.code == 2


def test_options_fill_the_endpoints(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--cluster", "c.example.com", "--etcd-members", "a,b", "--etcd-tls", "--format", "json"]
    assert main(["recover", str(STATES / "killed-while-copying.json"), *options]) == 0
    data = json.loads(capsys.readouterr().out)
    assert list(data)[:3] == ["version", "verdict", "summary"]
    command = data["steps"][0]["commands"][0]
    assert (
        "--endpoints=https://etcd-a.internal.c.example.com:4001,https://etcd-b.internal.c.example.com:4001" in command
    )
    assert command.endswith("--key=/srv/kubernetes/calico/calico-client-key.pem del /calico/ --prefix")


def test_the_pod_to_delete_is_the_one_in_back_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", str(STATES / "store-not-clean.json")]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "To skip the back-off: kubectl -n kube-system delete pod calico-node-4kz9d." in words
    assert "calico-node-8wq2m" not in words


def test_names_of_the_input_are_no_commands() -> None:
    state = fixture("node-lost")
    text = json.dumps(state).replace("ip-172-20-61-5.eu-central-1.compute.internal", "n; rm -rf /\\u001b[31m")
    answer = asked(json.loads(text))
    assert answer.names["delete_node"]["NODE"] == "'n; rm -rf /\x1b[31m'"


def test_help_says_how_to_read_each_flag_and_loads_nothing_slow() -> None:
    script = (
        "import sys\nfrom simulator.cli import main\n"
        "try:\n    main(['recover', '--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print([name for name in ('simpy', 'numpy', 'rich', 'networkx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    for name in FLAGS:
        assert f"\n  {name}: " in done.stdout
    assert "ETCDCTL2" not in done.stdout


def test_it_needs_none_of_the_simulators_packages() -> None:
    script = (
        "import sys\nfor name in ('simpy', 'numpy', 'rich', 'networkx'): sys.modules[name] = None\n"
        "from simulator.cli import main; sys.exit(main(['recover', '-']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        input=(STATES / "short-form.json").read_text(),
    )
    assert (done.returncode, done.stdout[:7]) == (0, "STALLED"), done.stderr


# --- the page -----------------------------------------------------------------------------------------------------

SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(("command", "output"), [case for case in SHOWN if case[1]], ids=lambda text: text[:60])
def test_the_page_shows_what_is_printed(
    command: str, output: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(command)
    if program == "cat":
        assert Path(arguments[0]).read_text() == output
        return
    assert program == "calico-sim"
    assert main(arguments) == 0
    assert capsys.readouterr().out == output


def test_the_page_shows_something() -> None:
    assert sum(bool(output) for _, output in SHOWN) >= 5
