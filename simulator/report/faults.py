"""The page `docs/faults.md`, made from the catalogue.

python -m simulator.report.faults            write it
python -m simulator.report.faults --check    exit 1 if it differs from the catalogue
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from calico_lint.generated import settle
from simulator.catalogue import FAULTS, STALLS, STEPS, Etcd, Fault, Proof, Step

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

_HEAD = """\
# What can go wrong, and the way out

<!-- Made by `python -m simulator.report.faults` from simulator/catalogue.py: do not edit. -->

Every way in which the migration from Calico v2 to v3 is known to go wrong: what the protocol does, whether it heals by
itself, which window it costs, how to see it, and the way out, step by step. For a cluster that hangs right now ask
[`calico-sim recover`](recover.md): it names the fault and fills in the commands.

The scenarios are played by the tests, with and without the way out; the seconds are those of the golden profile, in
which a pull takes 4 to 8 s, and say how much longer the window is than in an undisturbed run. Play one yourself:
`calico-sim run SCENARIO.json`.

Capitals in commands (`POD`, `NODE`, `CLUSTER`, `MEMBER`) are to be filled in. `calico-upgrade` needs the addresses of
both stores; [how to run it](recover.md#running-calico-upgrade).
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield _HEAD
    yield "| | fault | heals by itself | steps |"
    yield "|---|---|---|---|"
    for fault in FAULTS.values():
        steps = ", ".join(f"[{step}](#{step})" for step in fault.steps) or "none"
        yield f"| [{fault.id}](#{_anchor(fault)}) | {fault.name} | {_cell(fault.healing)} | {steps} |"
    for fault in FAULTS.values():
        yield ""
        yield from _fault(fault)
    yield ""
    yield "## The steps"
    for step in STEPS.values():
        yield ""
        yield from _step(step)
    yield ""
    yield "## The reasons of a stall"
    yield ""
    yield "`calico-sim run` and `replay` name the reason of a stall and these steps, in this order."
    yield ""
    yield "| reason | steps |"
    yield "|---|---|"
    for reason, names in STALLS.items():
        yield f"| `{reason}` | {', '.join(f'[{name}](#{name})' for name in names)} |"


def _fault(fault: Fault) -> Iterator[str]:
    yield f"## {fault.id} {fault.name}"
    yield ""
    yield fault.happens
    yield ""
    yield f"* **Heals by itself**: {fault.healing}."
    yield f"* **Costs**: {fault.costs}"
    yield "* **How to see it**:"
    for command, shows in fault.see:
        yield f"  * `{Etcd().fill(command)}`: {shows}"
    if fault.steps:
        yield f"* **The way out**: {', then '.join(f'[{step}](#{step})' for step in fault.steps)}."
    if fault.also:
        yield f"* {fault.also}"
    yield f"* Source: {fault.source}"
    if fault.unproven:
        yield f"* Not simulated exactly: {fault.unproven}" if fault.proofs else f"* Not simulated: {fault.unproven}"
    for proof in fault.proofs:
        yield ""
        yield from _proof(proof)


def _proof(proof: Proof) -> Iterator[str]:
    what = f"{proof.note}: " if proof.note else ""
    yield f"Scenario, {what}`{proof.window}` is {proof.costs:g} s longer."
    yield ""
    yield "```json"
    lines = [f'"{key}": {json.dumps(value)}' for key, value in proof.ended().items()]
    yield "{" + ",\n ".join(lines) + "}"
    yield "```"


def _step(step: Step) -> Iterator[str]:
    etcd = Etcd()
    yield f"### {step.name}"
    yield ""
    yield step.do
    yield ""
    if step.before:
        yield f"* First: {step.before}"
    if step.see:
        yield f"  `{etcd.fill(step.see)}`"
    yield "* Do:"
    yield ""
    yield from (f"      {etcd.fill(command)}" for command in step.commands)
    yield ""
    yield f"* Then: {step.check}. `{etcd.fill(step.look)}`"
    if step.never:
        yield f"* Not: {step.never}"
    if step.plays:
        yield f"* In a scenario: the operator's action `{step.plays}`."


def _anchor(fault: Fault) -> str:
    """GitHub's anchor of the fault's heading."""
    heading = f"{fault.id} {fault.name}".lower()
    return "".join(letter for letter in heading.replace(" ", "-") if letter.isalnum() or letter in "-_")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with --check compare it; the exit code."""
    return settle({str(PAGE): page()}, arguments, "python -m simulator.report.faults")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
