"""A route for people, and as JSON. Commands are never wrapped: they are there to be copied."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from simulator.planning import duration
from simulator.report.lines import shown, wrapped
from simulator.route import Move, Route, Stage, State, commands

_WINDOWS = (("scheduling_block", "no new pod starts for"), ("total", "Calico is done after"))


def render_json(route: Route, stages: Sequence[Stage], cluster: str, spec: str) -> str:
    """One JSON object with a newline at its end; every key is always there."""
    data = {
        "version": 1,
        "cluster": cluster,
        "goal": route.goal.text,
        "start": _state(route.start),
        "steps": [_stage(stage, cluster, spec) for stage in stages],
        "refused": [_move(move) for move in route.refused],
        "assumptions": list(route.assumptions),
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _state(state: State) -> dict[str, Any]:
    manifest = state.manifest
    return {
        "kops": f"1.{state.kops}",
        "kubernetes": f"1.{state.kubernetes}",
        "etcd": ".".join(map(str, state.etcd)),
        "etcd_provider": state.provider,
        "calico": None if manifest is None else str(manifest.calico),
        "datastore": None if manifest is None else manifest.datastore,
    }


def _move(move: Move) -> dict[str, Any]:
    refused = move.refused
    return {
        "kind": move.kind,
        "title": move.title,
        "why": move.why,
        "after": _state(move.after),
        "warnings": [{"rule": rule, "message": message} for rule, message in move.warnings],
        "refused": None if refused is None else {"rule": refused[0], "message": refused[1]},
    }


def _stage(stage: Stage, cluster: str, spec: str) -> dict[str, Any]:
    from calico_lint.report.json import finding_to_dict

    plan = stage.plan
    return _move(stage.move) | {
        "write": [{"field": field, "value": value} for field, value in stage.written],
        "commands": commands(stage.move, cluster, spec),
        "verdict": None if plan is None else plan.verdict,
        "windows": None
        if plan is None
        else {name: window.to_dict() for name, window in plan.windows.items() if window is not None},
        "unpredicted": stage.unpredicted or None,
        "findings": [finding_to_dict(finding) for finding in stage.findings],
    }


def render_text(route: Route, stages: Sequence[Stage], cluster: str, spec: str) -> str:
    """Where the cluster stands, then the steps in order, each with its reason, its commands and what it costs."""
    return "".join(f"{shown(line)}\n" for line in _lines(route, stages, cluster, spec))


def _lines(route: Route, stages: Sequence[Stage], cluster: str, spec: str) -> Iterator[str]:
    count = len(stages)
    if route.refused:
        yield from wrapped("NO ROUTE  ", f"{cluster} to {route.goal.text}: no safe step leads there")
    elif not count:
        yield from wrapped("ROUTE  ", f"{cluster} to {route.goal.text}: nothing to do")
    else:
        yield from wrapped("ROUTE  ", f"{cluster} to {route.goal.text}: {count} step{'s' if count > 1 else ''}")
    yield from wrapped("today  ", str(route.start))
    for move in route.refused:
        assert move.refused is not None
        yield ""
        yield from wrapped("   ", f"To {move.title}, from {move.before}:")
        yield from wrapped("   ", f"{move.refused[1]} ({move.refused[0]}).")
    for number, stage in enumerate(stages, start=1):
        yield ""
        yield from _step(number, stage, cluster, spec)
    if route.assumptions:
        yield ""
        yield "Assumed"
        for assumption in route.assumptions:
            yield from wrapped("  - ", assumption)
    if count:
        yield ""
        yield from wrapped("", "Finish each step, and see the cluster healthy, before the next. Ask again in between.")


def _step(number: int, stage: Stage, cluster: str, spec: str) -> Iterator[str]:
    move = stage.move
    first = f"{number}. "
    yield from wrapped(first, f"{move.title[0].upper()}{move.title[1:]}")
    inner = " " * len(first)
    yield from wrapped(f"{inner}Why:     ", f"{move.why}.")
    for field, value in stage.written:
        yield f"{inner}Write:   {field}: {value}"
    for rule, message in move.warnings:
        yield from wrapped(f"{inner}Mind:    ", f"{message} ({rule}).")
    for finding in stage.findings:
        yield from wrapped(f"{inner}First:   ", f"put right {finding.field or finding.path}: {finding.message} "
                           f"({finding.rule}).")  # fmt: skip
    yield f"{inner}Run:"
    for command in commands(move, cluster, spec):
        yield f"{inner}$ {command}"
    yield from wrapped(f"{inner}Expect:  ", _expected(stage))
    yield from wrapped(f"{inner}Then:    ", str(move.after))


def _expected(stage: Stage) -> str:
    if stage.plan is None:
        return f"{stage.unpredicted[0].upper()}{stage.unpredicted[1:]}."
    parts = []
    for name, label in _WINDOWS:
        window = stage.plan.windows.get(name)
        if window is None or window.summary.maximum == 0:
            continue
        quantiles = (window.summary.p50, window.summary.p90)
        shown_p50, shown_p90 = ("ever" if value is None else duration(value) for value in quantiles)
        parts.append(f"{label} {shown_p50} (P90 {shown_p90})")
    if stage.plan.verdict == "blocked":
        return f"blocked: {stage.plan.reason}."
    return f"{', '.join(parts)}; calico-sim plan tells more."
