"""The catalogue's claims against the engine, and against the places that rest on it."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from simulator import windows
from simulator.catalogue import AFTER, FAULTS, NO, STALLS, STEPS, WARNINGS, YES, Etcd, Fault, Proof, recovery
from simulator.engine import run
from simulator.report import faults as faults_page
from simulator.scenario import Scenario
from simulator.timing import MICRO
from simulator.trace import Trace
from tests.helpers import ROOT

Json = dict[str, Any]

PROOFS = [
    pytest.param(fault, proof, id=f"{fault.id}-{index}")
    for fault in FAULTS.values()
    for index, proof in enumerate(fault.proofs)
]


def play(scenario: Json) -> Trace:
    return run(Scenario.from_dict(scenario | {"horizon": None}))


def ends(trace: Trace) -> bool:
    return trace.completed or bool(windows.result(trace).get("rolled_back"))


def length(trace: Trace, window: str) -> float:
    if window == "hazard_closed":
        spans = windows.hazard_closed(trace)
        return sum(math.inf if until is None else (until - start) / MICRO for start, until in spans)
    seconds = windows.flat(trace)[window]
    assert seconds is not None
    return seconds


# --- the proofs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "proof"), PROOFS)
def test_alone_it_heals_or_stalls_as_the_catalogue_says(fault: Fault, proof: Proof) -> None:
    trace = play(proof.scenario)
    if proof.repaired_at is None and not proof.operator:
        assert trace.completed
        return
    stall = windows.stall(trace)
    assert stall is not None
    assert (stall["reason"], tuple(stall["recovery"])) == (proof.reason, proof.steps or fault.steps)


@pytest.mark.parametrize(("fault", "proof"), PROOFS)
def test_the_recovery_ends_it_at_the_cost_that_the_catalogue_names(fault: Fault, proof: Proof) -> None:
    trace, usual = play(proof.ended()), play(proof.undisturbed())
    assert ends(trace)
    assert usual.completed
    assert length(trace, proof.window) - length(usual, proof.window) == pytest.approx(proof.costs)


@pytest.mark.parametrize(
    ("fault", "proof"), [case for case in PROOFS if case.values[1].repaired_at and case.values[1].operator]
)
def test_the_end_of_the_cause_is_not_enough(fault: Fault, proof: Proof) -> None:
    assert not ends(play(proof.repaired()))


@pytest.mark.parametrize(("fault", "proof"), [case for case in PROOFS if len(case.values[1].operator) > 1])
def test_no_action_of_a_recovery_can_be_left_out(fault: Fault, proof: Proof) -> None:
    for action in proof.operator:
        rest = [other for other in proof.operator if other is not action]
        assert not ends(play(proof.repaired() | {"operator": rest}))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.id)
def test_whether_it_heals_is_what_the_proofs_show(fault: Fault) -> None:
    if not fault.proofs:
        assert fault.unproven
        return
    alone = [proof for proof in fault.proofs if not proof.operator]
    if fault.heals == YES:
        assert all(proof.repaired_at is None for proof in alone)
        assert len(alone) == len(fault.proofs)
    elif fault.heals == AFTER:
        assert any(proof.repaired_at is not None for proof in alone)
    else:
        assert fault.heals == NO
        assert not alone


@pytest.mark.parametrize(("fault", "proof"), PROOFS)
def test_the_steps_are_the_operators_actions_in_order(fault: Fault, proof: Proof) -> None:
    """A step that an operator's action plays is in the proof; what ends a cause is its `repaired_at`."""
    if fault.id == "F22" or not proof.operator:
        return
    plays = [STEPS[step].plays for step in proof.steps or fault.steps if STEPS[step].plays]
    played = [action["action"] for action in proof.operator]
    assert played == (plays if proof.reason != "job_failed" else ["complete"])


# --- claims in words that a number can check ----------------------------------------------------------------------


def test_the_wrong_order_costs_a_back_off() -> None:
    """F3: unlocked first, the waiting init container starts at once, fails and waits longer than the cleaning takes."""
    scenario = FAULTS["F3"].proofs[0].scenario
    right = [{"action": "delete_v3_data", "at": 98}, {"action": "abort", "at": 118}]
    wrong = [{"action": "abort", "at": 98}, {"action": "delete_v3_data", "at": 118}]
    early, late = play(scenario | {"operator": right}), play(scenario | {"operator": wrong})
    assert late.init_failures > early.init_failures
    assert length(early, "total") == 164
    assert length(late, "total") == 174


def test_deleting_the_pod_does_not_unlock() -> None:
    scenario = FAULTS["F2"].proofs[0].scenario
    assert not ends(play(scenario | {"operator": [{"action": "delete_pod", "node": "n1", "at": 60}]}))


def test_a_deleted_pod_skips_the_back_off() -> None:
    proof = FAULTS["F6"].proofs[0]
    slow = play(proof.ended())
    fast = play(proof.ended() | {"operator": [{"action": "delete_pod", "node": "n1", "at": 101}]})
    assert length(fast, proof.window) < length(slow, proof.window)


def test_the_old_nodes_stay_closed_after_an_early_complete() -> None:
    """F23: `complete` opens nodes on v3, those on v2 only when it is their turn."""
    trace = play({"cluster": {"nodes": 2}, "operator": [{"action": "complete", "at": 40}]})
    nodes = windows.result(trace)["nodes"]
    assert nodes["n1"]["scheduling_block"] == [[7, 40]]
    assert nodes["n2"]["scheduling_block"] == [[7, 69]]


def test_the_sixth_restart_comes_after_some_8_minutes() -> None:
    trace = play(FAULTS["F17"].proofs[1].scenario)
    failed = next(event.time for event in trace.events if event.event == "job_failed")
    assert trace.rollout is not None
    assert 480 <= (failed - trace.rollout) / MICRO <= 540


@pytest.mark.parametrize("kubernetes", ["1.8.0", "1.10.4"])
def test_an_old_job_never_gives_up(kubernetes: str) -> None:
    fault = {"kind": "complete_fails", "until": 5000}
    assert play({"cluster": {"nodes": 1, "kubernetes": kubernetes}, "faults": [fault]}).completed


# --- the table itself ---------------------------------------------------------------------------------------------


def test_every_fault_is_there_and_says_everything() -> None:
    assert list(FAULTS) == [f"F{number}" for number in range(1, 24)]
    for fault in FAULTS.values():
        assert all((fault.name, fault.happens, fault.healing, fault.costs, fault.see, fault.source))
        assert fault.steps or fault.heals == YES
        assert set(fault.steps) <= set(STEPS)


CONTRACT = [
    "node_not_ready",
    "needed_error",
    "conversion_error",
    "image_unpullable",
    "main_crash",
    "store_fails",
    "migration_interrupted",
    "v3_not_empty",
    "controllers_unschedulable",
    "job_failed",
    "expected_image_mismatch",
    "complete_fails",
    "job_unschedulable",
]
"""The reasons of section 7 of the scenario format, in its order; the others belong to extensions."""


def test_every_step_of_a_stall_has_a_recipe_and_every_reason_a_proof() -> None:
    names = {name for names in STALLS.values() for name in names} | {"restore_node"}
    assert names <= set(STEPS)
    proven = {proof.reason for fault in FAULTS.values() for proof in fault.proofs if proof.reason}
    assert [reason for reason in STALLS if reason in CONTRACT] == CONTRACT
    # v3_not_empty is what is left of F7 when etcd is well again.
    assert proven == set(CONTRACT) - {"v3_not_empty"}


def test_recovery_leaves_out_what_is_not_needed() -> None:
    both = ["node_not_ready", "migration_interrupted"]
    assert recovery(both, v3_empty=False, all_nodes_down=False) == ["delete_node", "delete_v3_data", "abort"]
    assert recovery(both, v3_empty=True, all_nodes_down=True) == ["restore_node", "abort"]
    assert recovery([], v3_empty=False, all_nodes_down=True) == []


def test_a_plan_warns_of_known_faults() -> None:
    for warnings in WARNINGS.values():
        for warned in warnings.values():
            assert set(warned.faults) <= set(FAULTS)


def test_commands_name_the_etcd_they_speak_to() -> None:
    etcd = Etcd("c.example.com", ("a", "b"), tls=True)
    written = etcd.fill("ETCDCTL3 del /calico/ --prefix; ETCDCTL2 get /calico/v1/Ready")
    assert written == (
        "ETCDCTL_API=3 etcdctl "
        "--endpoints=https://etcd-a.internal.c.example.com:4001,https://etcd-b.internal.c.example.com:4001 "
        "--cacert=/srv/kubernetes/calico/ca.pem --cert=/srv/kubernetes/calico/calico-client.pem "
        "--key=/srv/kubernetes/calico/calico-client-key.pem del /calico/ --prefix; ETCDCTL_API=2 etcdctl "
        "--endpoints=https://etcd-a.internal.c.example.com:4001,https://etcd-b.internal.c.example.com:4001 "
        "--ca-file=/srv/kubernetes/calico/ca.pem --cert-file=/srv/kubernetes/calico/calico-client.pem "
        "--key-file=/srv/kubernetes/calico/calico-client-key.pem get /calico/v1/Ready"
    )
    everything = [*STEPS.values(), *FAULTS.values(), *WARNINGS.values()]
    assert "ETCDCTL2" not in Etcd().fill(str(everything))
    assert Etcd("x; rm -rf /").fill("ETCDCTL3 get x").count("'") == 2


# --- the page -----------------------------------------------------------------------------------------------------


def test_the_page_is_up_to_date() -> None:
    assert faults_page.main(["--check"]) == 0


def test_check_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any) -> None:
    monkeypatch.setattr(faults_page, "PAGE", tmp_path / "faults.md")
    assert faults_page.main(["--check"]) == 1
    assert "python -m simulator.report.faults" in capsys.readouterr().err
    assert faults_page.main([]) == 0
    assert faults_page.main(["--check"]) == 0


def test_making_the_page_needs_no_engine() -> None:
    script = (
        "import sys, runpy; sys.argv = ['x', '--check']\n"
        "try:\n    runpy.run_module('simulator.report.faults', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print('simpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
