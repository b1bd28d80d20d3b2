"""calico-sim for programs and notebooks: a spec in, a plan out.

`docs/python.md` shows it at work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calico_lint.kops.releases import parse_release
from calico_lint.yaml_source import Source
from simulator import kubectl, planning, profile, remaining
from simulator.joining import parse_node_rate
from simulator.maintenance import parse_window
from simulator.planning import Options, Plan
from simulator.sweep import parse_sweep
from simulator.v1_data import read_v1_data

StrPath = str | os.PathLike[str]


def plan(
    spec: StrPath | Source | None = None,
    *,
    text: str | bytes | None = None,
    old: StrPath | Source | None = None,
    kops_version: str | None = None,
    from_kops_version: str | None = None,
    nodes: int | None = None,
    not_ready: int = 0,
    max_unavailable: int | str = 1,
    replications: int | None = None,
    precision: float | None = None,
    seed: int = 0,
    timing_profile: StrPath | None = None,
    settings: Mapping[str, str | float] | None = None,
    budgets: Mapping[str, str | float] | None = None,
    maintenance_windows: Sequence[str] = (),
    risk: float = 0.05,
    sweeps: Mapping[str, Sequence[str | float]] | None = None,
    sensitivity: bool = False,
    pod_rate: float | None = None,
    node_rate: float | None = None,
    v1_data: StrPath | Sequence[StrPath] = (),
    state: StrPath | Mapping[str, Any] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Predict the upgrade that applying a spec would start: what `calico-sim plan` does.

    The same arguments and seed give the same numbers as the command's options do, to the last digit.

    Args:
        spec: the spec that kOps will apply, InstanceGroups included: a file, or what was read of one. Or:
        text: the spec itself; it is called ``<text>``.
        old: the spec as it is today; None: assumed, and the plan's `assumptions` say what.
        kops_version: the kOps that will apply it, ``"1.12"`` or ``"1.12.3"``; None: inferred.
        from_kops_version: the kOps that last applied the old spec.
        nodes: how many, control plane included; None: minSize of every group.
        not_ready: how many of them are NotReady.
        max_unavailable: of calico-node's DaemonSet, nodes or a share such as ``"10%"``.
        replications: how many runs; None: as many as are usual. With `precision`: at most.
        precision: as many runs as it takes until the main window's P90 has an interval of this relative half width.
        seed: of the random draws.
        timing_profile: file of a timing profile, as `calico-sim calibrate` writes it; None: the default one.
        settings: timings and sizes by name that replace the profile's, a number or a distribution as `--set` takes it.
        budgets: the longest that a window may be, by its name: seconds, or a text such as ``"10m"``.
        maintenance_windows: as `--maintenance-window` takes them: ``"2026-12-05T02:00/04:00 Europe/Berlin"``.
        risk: accepted share of runs that exceed a budget, or do not end in a maintenance window.
        sweeps: values to try one after the other, by what they replace: ``{"max_unavailable": [1, "10%"]}``.
        sensitivity: whether each parameter is varied, to see which moves the windows most.
        pod_rate: new pods a minute, to have counted in `Plan.arrivals` how many of them wait.
        node_rate: new nodes an hour, to have played in `Plan.joins` what they do.
        v1_data: Calico v1 data, as `--v1-data` takes it.
        state: of an upgrade under way, as `--state` takes it, a file or the JSON itself: `Plan.remaining` is what is
            left of it, and `nodes`, unless given, are those of the state.
        workers: threads; they change no number. None: one for each processor.
        progress: called with (runs done, runs in all).

    Raises:
        PlanError: there is nothing to simulate or no one cluster in the spec; `PlanError.findings` are the linter's.
        OSError: a file cannot be read.
        ScenarioError: the state cannot be read (`simulator.scenario`).
        NoAnswerError: it shows nothing of an upgrade (`simulator.recover`).
        ValueError: an argument cannot be what it is.

    """
    given = {name: value for name, value in locals().items() if name not in ("spec", "workers", "progress")}
    for option, number in (("seed", seed), ("not_ready", not_ready)):
        if number < 0:
            raise ValueError(f"{option}={number}: at least 0")
    if (spec is None) == (text is None):
        raise ValueError("give a file, or the spec itself as text=")
    new = Source("<text>", text.encode() if isinstance(text, str) else text) if text is not None else _source(spec)
    name, replaced = ("default", {}) if timing_profile is None else profile.load(Path(timing_profile))
    for parameter, value in (settings or {}).items():
        replaced[parameter] = profile.Setting(profile.parse(str(value)), "settings")
    paths = [v1_data] if isinstance(v1_data, (str, os.PathLike)) else list(v1_data)
    seen: Any = kubectl.load(Path(state).read_bytes()) if isinstance(state, (str, os.PathLike)) else state
    if seen is not None and nodes is None:
        nodes = remaining.count_nodes(seen) or None
    options = Options(
        nodes=_count("nodes", nodes),
        replications=_count("replications", replications),
        seed=seed,
        not_ready=not_ready,
        max_unavailable=max_unavailable,
        settings=replaced,
        profile_name=name,
        budgets=tuple(planning.parse_budget(f"{window}={limit}") for window, limit in (budgets or {}).items()),
        maintenance=tuple(map(parse_window, maintenance_windows)),
        risk=planning.parse_share(str(risk)),
        sweeps=tuple(parse_sweep(f"{name}={','.join(map(str, tried))}") for name, tried in (sweeps or {}).items()),
        sensitivity=sensitivity,
        pod_rate=None if pod_rate is None else planning.parse_rate(str(pod_rate)),
        node_rate=None if node_rate is None else parse_node_rate(str(node_rate)),
        precision=None if precision is None else planning.parse_precision(str(precision)),
        v1_data=read_v1_data([os.fspath(path) for path in paths]) if paths else None,
        workers=_count("workers", workers),
    )
    made = planning.make_plan(
        new,
        None if old is None else _source(old),
        None if kops_version is None else parse_release(kops_version),
        None if from_kops_version is None else parse_release(from_kops_version),
        options,
        progress,
    )
    left = None if seen is None else remaining.remaining(made, seen)
    return replace(made, remaining=left, made_by=_call(new, given))


def _source(spec: StrPath | Source | None) -> Source:
    if isinstance(spec, Source):
        return spec
    assert spec is not None
    return Source(os.fspath(spec), Path(spec).read_bytes())


def _count(name: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ValueError(f"{name}={value}: at least 1")
    return value


def _call(spec: Source, given: Mapping[str, Any]) -> str:
    """The call with the arguments that are not the defaults."""
    defaults = plan.__kwdefaults__ or {}
    words = [] if given["text"] is not None else [repr(spec.path)]
    for name, value in given.items():
        if value is None or value == defaults[name]:
            continue
        long = name == "text" or (name == "state" and isinstance(value, Mapping))
        shown = "..." if long else repr(value.path if isinstance(value, Source) else value)
        words.append(f"{name}={shown}")
    return f"simulator.plan({', '.join(words)})"
