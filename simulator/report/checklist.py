"""The checks before an upgrade, for people: to be worked through from top to bottom, with a box to tick at each."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.checklist import Check
from simulator.planning import Plan
from simulator.report.lines import shown, wrapped

_INDENT = " " * 8


def render_text(plan: Plan) -> str:
    """The list with its commands, or why there is none."""
    return "".join(f"{shown(line)}\n" for line in _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    checks = plan.checklist
    name = plan.cluster.name or "the cluster"
    if not checks:
        yield from wrapped("", f"{name}: nothing to check, the upgrade is blocked: {plan.reason}.")
        return
    before = f"Calico {plan.upgrade.calico_from}" if plan.upgrade.calico_from else "today's Calico"
    yield from wrapped("", f"Before {before} becomes {plan.upgrade.calico_to} on {name}, {plan.nodes} nodes:")
    for number, check in enumerate(checks, start=1):
        yield ""
        yield from _check(number, check)


def _check(number: int, check: Check) -> Iterator[str]:
    yield from wrapped(f"[ ] {number:2}. ", f"{check.name}.")
    if check.settled:
        yield from wrapped(f"{_INDENT}Known: ", f"{check.settled}.")
    for command in check.commands:
        yield f"{_INDENT}$ {command}"
    yield from wrapped(f"{_INDENT}Shows: ", f"{check.shows}.")
    faults = f" ({', '.join(check.faults)})" if check.faults else ""
    yield from wrapped(f"{_INDENT}Else:  ", f"{check.why}{faults}.")
