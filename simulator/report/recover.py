"""A recovery for people at 2 a.m., and as JSON. Commands are never wrapped: they are there to be copied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from simulator.catalogue import FAULTS, Etcd, Step
from simulator.recover import Answer, filled, steps_of
from simulator.report.lines import shown, wrapped

_INDENT = "   "


def render_json(answer: Answer, etcd: Etcd) -> str:
    """One JSON object with a newline at its end; every key is always there."""
    return json.dumps({"version": 1} | data_of(answer, etcd), indent=1, ensure_ascii=False) + "\n"


def render_text(answer: Answer, etcd: Etcd) -> str:
    """The verdict, what it waits for or what decides, then the steps in order."""
    return "".join(f"{shown(line)}\n" for line in _lines(answer, etcd, ""))


def data_of(answer: Answer, etcd: Etcd) -> dict[str, Any]:
    """An answer as JSON; every key is always there."""
    question = answer.question
    return {
        "verdict": answer.verdict,
        "summary": answer.summary,
        "faults": list(answer.faults),
        "reasons": list(answer.reasons),
        "heals": {fault: FAULTS[fault].healing for fault in answer.faults},
        "waits": [{"for": what, "longest": longest} for what, longest in answer.waits],
        "steps": [
            {
                "name": step.name,
                "do": step.do,
                "before": step.before,
                "see": etcd.fill(step.see),
                "commands": [etcd.fill(command) for command in step.commands],
                "check": step.check,
                "look": etcd.fill(step.look),
                "never": step.never,
            }
            for step in steps_of(answer)
        ],
        "notes": [etcd.fill(note) for note in answer.notes],
        "question": question and {"ask": question.ask, "command": _command(answer, etcd)},
        "branches": [{"if": outcome, "answer": data_of(branch, etcd)} for outcome, branch in answer.branches],
    }


def _command(answer: Answer, etcd: Etcd) -> str:
    assert answer.question is not None
    return etcd.fill(filled(answer.question.command, answer.names.get("", {})))


def _lines(answer: Answer, etcd: Etcd, indent: str) -> Iterator[str]:
    yield from wrapped(f"{indent}{answer.verdict.upper().replace('-', ' ')}  ", answer.summary)
    for what, longest in answer.waits:
        yield from wrapped(f"{indent}{_INDENT}- ", f"{what} (at most: {longest})")
    for fault in answer.faults if not answer.branches else ():
        yield from wrapped(f"{indent}{fault:4} ", f"{FAULTS[fault].name}. Heals by itself: {FAULTS[fault].healing}.")
    for note in answer.notes:
        yield from wrapped(indent, etcd.fill(note))
    for number, step in enumerate(steps_of(answer), start=1):
        yield ""
        yield from _step(number, step, etcd, indent)
    also = {FAULTS[fault].also for fault in answer.faults} if answer.steps else ()
    if answer.steps:
        yield ""
    suspects = [answer.names[step] for step in answer.steps if "POD" in answer.names.get(step, ())]
    for text in sorted(filter(None, also)):
        yield from wrapped(indent, filled(text, suspects[0] if suspects else {}))
    if answer.steps:
        yield from wrapped(indent, "Ask again after the last step, or when something looks different in between.")
    if answer.question is not None:
        yield ""
        yield from wrapped(indent, answer.question.ask)
        yield f"{indent}{_INDENT}$ {_command(answer, etcd)}"
    for outcome, branch in answer.branches:
        yield ""
        yield from wrapped(f"{indent}If ", f"{outcome}:")
        yield from _lines(branch, etcd, indent + _INDENT)


def _step(number: int, step: Step, etcd: Etcd, indent: str) -> Iterator[str]:
    yield from wrapped(f"{indent}{number}. ", step.do)
    inner = indent + _INDENT
    if step.before:
        yield from wrapped(f"{inner}First: ", step.before)
    if step.see:
        yield f"{inner}$ {etcd.fill(step.see)}"
    yield f"{inner}Do:"
    for command in step.commands:
        yield f"{inner}$ {etcd.fill(command)}"
    yield from wrapped(f"{inner}Then:  ", f"{step.check}:")
    yield f"{inner}$ {etcd.fill(step.look)}"
    if step.never:
        yield from wrapped(f"{inner}Not:   ", step.never)
