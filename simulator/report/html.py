"""A plan as one HTML file: nothing is loaded, nothing needs a script, pictures are SVG in the page.

Light and dark follow the reader's setting; it reads on a phone, on paper and with a keyboard. A picture is one path for
each kind of mark, never an element for each node, so that 5,000 nodes stay light.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from calico_lint import __version__
from simulator import windows
from simulator.planning import BLOCKED, GO, NEVER_COMPLETES, TWO_FREEZES, UNDECIDED, duration
from simulator.report import decisions
from simulator.report.text import MEANWHILE, WINDOWS, effect, fitting
from simulator.scenario import V2_TO_V3
from simulator.statistics import interval_ranks, quantile_rank
from simulator.timing import MICRO

if TYPE_CHECKING:
    from simulator.planning import Plan, Timeline, Window
    from simulator.trace import NodeTrace, Span, Trace

_VERDICTS = {
    GO: ("Go", "go"),
    UNDECIDED: ("Undecided", "maybe"),
    NEVER_COMPLETES: ("Never completes", "stop"),
    BLOCKED: ("Blocked", "stop"),
}

_WIDTH = 720  # of every picture, in its own units
_LABELS = 150  # of it the names of the lanes
_ROWS = 640  # that can still be told apart
_ROW = 8.0  # the highest
_LABEL, _GAP = 14.0, 4.0  # the height of a band that has room for its label, and what is between two bands
_LETTERS = 22  # of a band's label


def render(plan: Plan, command: str, digests: Mapping[str, str]) -> str:
    """The page. `command` makes the plan again; `digests` are the SHA-256 of the specs by path."""
    name = plan.cluster.name or "the cluster"
    body = "\n".join(part for part in _parts(plan, command, digests) if part)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Calico upgrade of {escape(name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f"</main>\n{_data(plan)}\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _parts(plan: Plan, command: str, digests: Mapping[str, str]) -> Iterator[str]:
    yield _header(plan)
    if plan.windows:
        yield _windows(plan)
        yield _budgets(plan)
        yield _steps(plan)
        for timeline in plan.timelines:
            yield _timeline(plan, timeline)
        yield _distributions(plan)
        yield _causes(plan)
    yield _advice(plan)
    for sweep in plan.sweeps:
        yield decisions.sweep(sweep)
    yield decisions.tornado(plan)
    yield _risks(plan)
    yield _checklist(plan)
    yield _findings(plan)
    yield _assumptions(plan)
    yield _parameters(plan)
    yield _again(plan, command, digests)


# --- parts ----------------------------------------------------------------------------------------------


def _header(plan: Plan) -> str:
    label, kind = _VERDICTS.get(plan.verdict, ("Over budget", "stop"))
    upgrade, cluster = plan.upgrade, plan.cluster
    facts = {
        "Calico": f"{upgrade.calico_from or 'of today'} → {upgrade.calico_to}",
        "Nodes": f"{plan.nodes}",
        "Kubernetes": f"{cluster.kubernetes}",
        "kOps": f"{plan.kops}",
    }
    items = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in facts.items())
    sentences = [f"{plan.reason[0].upper()}{plan.reason[1:]}." if not plan.reason.startswith("kOps") else plan.reason]
    sentences += _headline(plan)
    sentences += map(fitting, plan.maintenance)
    text = "".join(f"<p>{sentence}</p>" for sentence in map(escape, sentences))
    return (
        f'<header>\n<p class="verdict {kind}">{escape(label)}</p>\n'
        f"<h1>Calico upgrade of {escape(cluster.name or 'the cluster')}</h1>\n<dl>{items}</dl>\n{text}\n</header>"
    )


def _headline(plan: Plan) -> Iterator[str]:
    """The sentence that everybody wants to know."""
    window = plan.windows.get("scheduling_block")
    if window is None or window.summary.p50 is None:
        return
    if plan.upgrade.protocol == V2_TO_V3:
        start = "" if window.start_p50 is None else f", beginning {duration(window.start_p50)} after kops update"
        yield f"No new pod starts for {duration(window.summary.p50)} (P90 {_cell(window.summary.p90)}){start}."
        yield MEANWHILE
    else:
        yield "New pods start all the time; policies stand still on one node at a time."


def _windows(plan: Plan) -> str:
    rows = []
    scale = max(
        (value for window in plan.windows.values() for value in (window.summary.p99, window.summary.p90) if value),
        default=1.0,
    )
    for name, label in WINDOWS.items():
        window = plan.windows.get(name)
        if window is None or (name == "scheduling_block" and window.summary.maximum == 0):
            continue
        cells = "".join(f"<td>{_quantile(window, key)}</td>" for key in ("p50", "p90", "p99"))
        indented = ' class="part"' if label.startswith(" ") else ""
        rows.append(
            f'<tr><th scope="row"{indented}>{escape(label.strip())}</th><td class="bar">{_bar(window, scale)}</td>'
            f"{cells}</tr>"
        )
    note = f"<p class='note'>{escape(TWO_FREEZES)}</p>" if plan.upgrade.protocol == V2_TO_V3 else ""
    return _section(
        "How long",
        '<div class="wide"><table><thead><tr><th scope="col">window</th>'
        '<th scope="col" class="bar"><span class="hidden">bar</span>'
        '</th><th scope="col">P50</th><th scope="col">P90</th><th scope="col">P99</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f'<p class="note">In small type: the 95 % interval of each quantile, from {plan.options.replications:,} runs.'
        "</p>"
        f"{note}",
    )


def _quantile(window: Window, key: str) -> str:
    value: float | None = getattr(window.summary, key)
    ends = window.summary.intervals[key]
    if value is None:
        return "–" if ends is None else "never"
    interval = ""
    if ends is not None:
        low, high = (_cell(end) for end in ends)
        interval = f"<small>{escape(low)} to {escape(high)}</small>"
    return f"{escape(duration(value))}{interval}"


def _bar(window: Window, scale: float) -> str:
    summary = window.summary
    ends = [scale if value is None else value for value in (summary.p50, summary.p90, summary.p99)]
    marks, drawn = "", 0.0
    for kind, end in zip(("p50", "p90", "p99"), ends, strict=True):
        width = 100 * min(end, scale) / scale
        marks += f'<rect class="{kind}" x="{drawn:.2f}" y="0" width="{max(0.0, width - drawn):.2f}" height="10"/>'
        drawn = max(drawn, width)
    return f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{marks}</svg>'


def _budgets(plan: Plan) -> str:
    if not plan.budgets:
        return ""
    words = {GO: ("within", "go"), UNDECIDED: ("undecided", "maybe")}
    rows = []
    for answer in plan.budgets:
        word, kind = words.get(answer.verdict, ("over", "stop"))
        low, high = answer.interval
        rows.append(
            f'<tr><th scope="row">{escape(WINDOWS[answer.budget.window].strip())}</th>'
            f"<td>{escape(duration(answer.budget.limit))}</td>"
            f"<td>{answer.share:.1%}<small>{low:.1%} to {high:.1%}</small></td>"
            f'<td><span class="tag {kind}">{word}</span></td></tr>'
        )
    return _section(
        "Budgets",
        '<div class="wide"><table><thead><tr><th scope="col">window</th><th scope="col">at most</th>'
        '<th scope="col">chance to exceed it</th><th scope="col">accepted is '
        f"{plan.options.risk:.1%}</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>",
    )


def _steps(plan: Plan) -> str:
    rows = "".join(
        f"<tr><td>{_instant(step.start_p50)}</td><td>{_instant(step.end_p50)}</td><td>{_instant(step.end_p90)}</td>"
        f'<th scope="row">{escape(step.name)}</th><td>{escape(step.what)}</td></tr>'
        for step in plan.steps
    )
    return _section(
        "What happens when",
        '<p class="note">After the end of <code>kops update cluster --yes</code>.</p><div class="wide"><table><thead>'
        '<tr><th scope="col">from</th><th scope="col">to (P50)</th><th scope="col">P90</th><th scope="col">step</th>'
        f'<th scope="col">what stands still meanwhile</th></tr></thead><tbody>{rows}</tbody></table></div>',
    )


def _causes(plan: Plan) -> str:
    shares = [(stage, share) for stage, share in plan.critical_path if share >= 0.005]
    if not shares:
        return ""
    widest = max(share for _, share in shares)
    rows = "".join(
        f'<tr><th scope="row">{escape(stage)}</th><td class="bar"><svg viewBox="0 0 100 10" '
        f'preserveAspectRatio="none" aria-hidden="true"><rect class="p50" x="0" y="0" '
        f'width="{100 * share / widest:.2f}" height="10"/></svg></td><td>{share:.0%}</td></tr>'
        for stage, share in shares
    )
    runs = plan.critical_path_runs
    return _section(
        "Where the time goes",
        f'<p class="note">Shares of the critical path, over {runs} run{"s" if runs > 1 else ""}.</p>'
        f'<div class="wide"><table><tbody>{rows}</tbody></table></div>',
    )


def _advice(plan: Plan) -> str:
    shown = [advice for advice in plan.advice if advice.p50_then is not None]
    if not shown:
        return ""
    rows = []
    for advice in shown:
        change, interval = effect(advice)
        small = f"<small>{escape(interval)}</small>" if interval else ""
        price = f"<small>{escape(advice.price)}</small>" if advice.price else ""
        inside = "".join(f"<small>{answer.probability:.1%} inside the window</small>" for answer in advice.maintenance)
        how = f"<details><summary>How</summary>{_commands(advice.commands)}</details>" if advice.commands else ""
        rows.append(
            f'<tr><th scope="row" class="change">{escape(advice.change)}{how}</th>'
            f"<td>{_instant(advice.p50_then)}{inside}</td><td>{escape(change)}{small}</td><td>{price or '–'}</td></tr>"
        )
    count = max(advice.replications for advice in shown)
    untried = "".join(f"<li>{escape(each.change)}: {escape(each.reason)}</li>" for each in plan.untried)
    return _section(
        "What would change it",
        f'<p class="note">{escape(WINDOWS[shown[0].window].strip().capitalize())}: pairs of {count} runs with the same '
        'draws, with and without the change; in small type the 95 % interval.</p><div class="wide"><table><thead><tr>'
        '<th scope="col">change</th><th scope="col">P50 then</th><th scope="col">a run gets</th>'
        f'<th scope="col">price</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        + (f'<p class="note">Not tried:</p><ul class="note">{untried}</ul>' if untried else ""),
    )


def _risks(plan: Plan) -> str:
    shown = [risk for risk in plan.risks if risk.probability != 0.0]
    if not shown:
        return ""
    items = []
    for risk in shown:
        likely = "likelihood unknown" if risk.probability is None else f"{risk.probability:.0%} of the runs"
        items.append(
            f"<details><summary><strong>{escape(risk.name)}</strong> <small>{escape(likely)}</small></summary>"
            f"<p>{escape(risk.effect[0].upper() + risk.effect[1:])}.</p>{_commands(risk.recovery)}</details>"
        )
    return _section("What can go wrong, and the way out", "".join(items))


def _checklist(plan: Plan) -> str:
    checks = plan.checklist
    if not checks:
        return ""
    items = []
    for check in checks:
        known = f"<p>Known: {escape(check.settled)}.</p>" if check.settled else ""
        items.append(
            f"<details><summary>{escape(check.name)}</summary>{known}{_commands(check.commands)}"
            f"<p>Must show: {escape(check.shows)}. Else: {escape(check.why)}.</p></details>"
        )
    return _section("Before you start", "".join(items))


def _commands(commands: Iterable[str]) -> str:
    text = escape("\n".join(commands))
    return f'<pre tabindex="0">{text}</pre>' if text else ""


def _findings(plan: Plan) -> str:
    findings = plan.lint.findings
    if not findings:
        return _section("The spec", "<p>calico-lint has nothing to say about it.</p>")
    rows = "".join(
        f'<tr><td><span class="tag {_KINDS[finding.severity]}">{escape(finding.severity)}</span></td>'
        f"<td>{escape(finding.rule)}</td><td><code>{escape(finding.path)}:{finding.range.line}</code></td>"
        f"<td>{escape(finding.message)}</td></tr>"
        for finding in findings
    )
    return _section(
        "The spec",
        '<div class="wide"><table><thead><tr><th scope="col">severity</th><th scope="col">rule</th><th scope="col">'
        f'place</th><th scope="col">finding</th></tr></thead><tbody>{rows}</tbody></table></div>',
    )


_KINDS = {"error": "stop", "warning": "maybe", "info": "go"}


def _assumptions(plan: Plan) -> str:
    items = "".join(f"<li>{escape(assumption)}</li>" for assumption in plan.assumptions)
    return _section("Assumed", f"<ul>{items}</ul>") if items else ""


def _parameters(plan: Plan) -> str:
    if plan.profile is None:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(parameter.name)}</code></th>'
        f"<td><code>{escape(str(parameter.distribution))}</code> {escape(parameter.unit)}</td>"
        f"<td>{escape(parameter.source)}</td></tr>"
        for parameter in plan.profile.parameters
    )
    count = len(plan.profile.parameters)
    return _section(
        "Parameters",
        f"<details><summary>The {count} timings and sizes of profile {escape(plan.profile.name)!s}, with their sources"
        '</summary><div class="wide"><table><thead><tr><th scope="col">name</th><th scope="col">value</th>'
        f'<th scope="col">source</th></tr></thead><tbody>{rows}</tbody></table></div></details>',
    )


def _again(plan: Plan, command: str, digests: Mapping[str, str]) -> str:
    files = "".join(
        f"<li><code>{escape(path)}</code>: SHA-256 <code>{digest}</code></li>" for path, digest in digests.items()
    )
    runs = f"{plan.options.replications:,} replications" if plan.windows else "nothing simulated"
    return _section(
        "Again",
        f"{_commands([command])}<ul>{files}<li>calico-sim {escape(__version__)}, seed {plan.options.seed}, {runs}</li>"
        "</ul>",
    )


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


# --- the timeline ---------------------------------------------------------------------------------------


def _timeline(plan: Plan, timeline: Timeline) -> str:
    """One real replication: what is blocked on top, the actors below it, then every node, by instance group."""
    trace = timeline.trace
    delay = trace.scenario.timing["channels_delay"] + trace.scenario.timing["apply"]
    end = max(trace.last_change, 1)
    ordered = sorted(trace.existing, key=lambda index: _or_last(trace.nodes[index].killed, end))
    every = -(-len(ordered) // _ROWS)
    groups = _groups(plan)
    lanes = [lane for lane in _lanes(trace) if lane[1]]
    top = 16 * len(lanes) + 14
    members = [[index for index in ordered if index in group.nodes][::every] for group in groups]
    bands = _bands(members, top, _LABEL) if groups else _bands([ordered[::every]], top, 0)
    height = bands[-1].top + bands[-1].height + 26
    scale = (_WIDTH - _LABELS - 10) / end
    parts = []
    for number, (label, spans, kind) in enumerate(lanes):
        y = 16 * number + 2
        parts.append(f'<text x="{_LABELS - 8}" y="{y + 10}" class="label">{escape(label)}</text>')
        parts.append(_path(kind, ((start, stop, y, 12.0) for start, stop in spans), scale, end))
    if groups:
        parts += map(_band_label, groups, bands)
    else:
        parts.append(
            f'<text x="{_LABELS - 8}" y="{top + 8}" class="label">{len(ordered)} nodes,</text>'
            f'<text x="{_LABELS - 8}" y="{top + 21}" class="label">in their order</text>'
        )
    for _, kind, spans_of in _NODE_MARKS:
        marks = (
            (*span, y, band.row * (0.8 if band.row > 1 else 1.0))
            for band in bands
            for index, y in band.rows()
            for span in spans_of(trace, trace.nodes[index])
        )
        # Between the bands' other rows a mark stands alone, not in a staircase that shows by itself.
        parts.append(_path(kind, marks, scale, end, 1.0 if groups else 0.3))
    parts.append(_axis(end, delay, scale, height))
    legend = "".join(f'<li><span class="swatch {kind}"></span>{escape(text)}</li>' for text, kind, _ in _NODE_MARKS)
    title = f"The {timeline.name} run"
    picture = (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(_spoken(plan, timeline))}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
    which = f"Replication {timeline.replication + 1} of {plan.options.replications:,}, run again from its own draws"
    if every > 1:
        which += f"; one of {every} nodes {'of each group ' if groups else ''}is drawn"
    return _section(
        title,
        f'<p class="note">{which}.</p><div class="wide" tabindex="0">{picture}</div><ul class="legend">{legend}</ul>'
        # Said once: the groups of the next run are the same.
        f"{_group_legend(plan, groups) if timeline is plan.timelines[0] else ''}",
    )


class _Group(NamedTuple):
    """An instance group with the nodes, by index from 0, that stand for it."""

    name: str
    role: str
    nodes: range

    @property
    def what(self) -> str:
        return f"{len(self.nodes):,} {self.role}{'' if len(self.nodes) == 1 else 's'}"


def _groups(plan: Plan) -> list[_Group]:
    """The groups that have nodes, if there are several and the nodes are those of the spec; else none.

    The runs know nothing of groups, and any order of the roll is as likely as any other: so whichever nodes stand for a
    group, it is the same.
    """
    found: list[_Group] = []
    first = 0
    for group in plan.cluster.groups:
        if group.role != "Bastion" and group.min_size:
            nodes = range(first, first + group.min_size)
            found.append(_Group(group.name or "without a name", _ROLES[group.role], nodes))
            first = nodes.stop
    return found if plan.options.nodes is None and len(found) > 1 else []


_ROLES = {"ControlPlane": "control-plane node", "Node": "worker node", "APIServer": "API server"}


def _group_legend(plan: Plan, groups: Sequence[_Group]) -> str:
    if not groups:
        return ""
    items = "".join(f"<li><b>{escape(group.name)}</b> {group.what}</li>" for group in groups)
    absent = " The NotReady nodes are the last of all." if plan.options.not_ready else ""
    return (
        f'<ul class="legend">{items}</ul><p class="note">The rows of a group are in the order in which its nodes are '
        "rolled, which is drawn at random among all nodes. The runs know nothing of groups: these are given the "
        f"simulated nodes in the order of the spec, minSize each.{absent}</p>"
    )


class _Band(NamedTuple):
    """Rows of nodes below each other, `row` units high each, amid `height` units."""

    nodes: Sequence[int]
    top: float
    row: float
    height: float

    def rows(self) -> Iterator[tuple[int, float]]:
        """Each node with the place of its row."""
        top = self.top + (self.height - self.row * len(self.nodes)) / 2
        return ((index, top + self.row * place) for place, index in enumerate(self.nodes))


def _bands(members: Sequence[Sequence[int]], top: float, least: float) -> list[_Band]:
    """A band for each list of nodes, `least` units high: what is small is drawn larger than its share."""
    row = max(0.25, min(_ROW, 320 / max(1, sum(map(len, members)))))
    found = []
    for nodes in members:
        height = max(least, row * len(nodes))
        found.append(_Band(nodes, top, min(_ROW, height / max(1, len(nodes))), height))
        top += height + _GAP
    return found


def _band_label(group: _Group, band: _Band) -> str:
    """The group's name beside its band, as much of it as there is room for."""
    count = f" × {len(group.nodes):,}" if len(group.nodes) > 1 else ""
    room = _LETTERS - len(count)
    name = group.name if len(group.name) <= room else f"{group.name[: room // 2]}…{group.name[room // 2 + 1 - room :]}"
    middle = band.top + band.height / 2
    return (
        f'<path class="axis" d="M{_LABELS - 4} {band.top:.1f}v{band.height:.1f}"/>'
        f'<text x="{_LABELS - 9}" y="{middle + 4:.1f}" class="label">{escape(name)}{count}</text>'
    )


def _spoken(plan: Plan, timeline: Timeline) -> str:
    """The picture in a sentence."""
    flat = windows.flat(timeline.trace)
    parts = [
        f"{label.strip()} {'without end' if value == float('inf') else duration(value)}"
        for name, label in WINDOWS.items()
        if (value := flat.get(name)) is not None
    ]
    return f"Timeline of the {timeline.name} run: {', '.join(parts)}."


def _lanes(trace: Trace) -> list[tuple[str, list[Span], str]]:
    """The lanes above the nodes: (name, spans, kind of mark)."""
    frozen = windows.enforcement_freeze(trace)
    controllers = _span(trace.controllers_down, trace.controllers_sync)
    lanes: list[tuple[str, list[Span], str]] = [
        ("no new pod starts", windows.scheduling_block(trace), "block"),
        ("policies frozen", [frozen] if frozen is not None and not trace.scenario.cluster.rolling else [], "freeze"),
        ("kube-controllers off", controllers, "actor"),
    ]
    if not trace.scenario.cluster.rolling:
        lanes.append(("data is copied", _span(trace.clear, trace.version), "actor"))
        lanes.append(("completion Job ends it", _span(trace.rollout, trace.complete), "actor"))
    return lanes


def _span(start: int | None, end: int | None) -> list[Span]:
    return [] if start is None else [(start, end)]


def _stale(trace: Trace, node: NodeTrace) -> list[Span]:
    span = windows.staleness(trace, node)
    return [] if span is None else [span]


def _off(_: Trace, node: NodeTrace) -> list[Span]:
    return _span(node.killed, node.main)


def _unready(_: Trace, node: NodeTrace) -> list[Span]:
    return _span(node.main, node.ready)


_NODE_MARKS = (
    ("policies of the node stand still", "stale", _stale),
    ("no calico-node runs on it", "gap", _off),
    ("calico-node runs, not Ready yet", "unready", _unready),
)


def _path(
    kind: str, marks: Iterable[tuple[int, int | None, float, float]], scale: float, end: int, least: float = 0.3
) -> str:
    """All marks of a kind as one path of rectangles, `least` units wide; a span without end goes to the margin."""
    pieces = []
    for start, stop, y, height in marks:
        x = _LABELS + start * scale
        width = max(least, ((end if stop is None else stop) - start) * scale)
        pieces.append(f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z")
    return f'<path class="{kind}" d="{"".join(pieces)}"/>' if pieces else ""


def _axis(end: int, delay: int, scale: float, height: float) -> str:
    """The time after the end of kops update."""
    parts = [f'<path class="axis" d="M{_LABELS} {height - 20:.1f}H{_WIDTH - 10}"/>']
    for seconds in _ticks(delay / MICRO, (end + delay) / MICRO):
        x = _LABELS + (seconds * MICRO - delay) * scale
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{height - 20:.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 6:.1f}" class="tick">{escape(duration(seconds))}</text>')
    return "".join(parts)


_NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def _ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round instants between two, not more than `count`."""
    span = high - low
    step = next((step for step in _NICE if span / step <= count), 86400 * max(1, int(span / 86400 / count)))
    first = int(low // step) + (low % step > 0)
    return [float(step * index) for index in range(first, int(high // step) + 1)]


def _or_last(instant: int | None, last: int) -> int:
    return last + 1 if instant is None else instant


# --- distributions --------------------------------------------------------------------------------------


def _distributions(plan: Plan) -> str:
    limits = {answer.budget.window: answer.budget.limit for answer in plan.budgets}
    names = ["scheduling_block", "policy_freeze_enforcement", "total"]
    names += [name for name in ("node_policy_staleness_max", "node_felix_gap_max") if plan.upgrade.protocol != V2_TO_V3]
    names += [name for name in limits if name not in names]
    pictures = [
        f"<figure><figcaption>{escape(WINDOWS[name].strip())}</figcaption>{_ecdf(samples, limits.get(name))}</figure>"
        for name in names
        if (samples := [value for value in plan.samples.get(name, ()) if value != float("inf")]) and max(samples) > 0
    ]
    if not pictures:
        return ""
    return _section(
        "How sure that is",
        '<p class="note">The share of runs that are over by then, with its 95 % band; the dots are P50, P90 and P99'
        f"{', the dashed line is the budget' if limits else ''}.</p><div class='pair'>{''.join(pictures)}</div>",
    )


def _ecdf(samples: Sequence[float], limit: float | None) -> str:
    """The share of runs that are not longer, with the order-statistics band of each share."""
    ordered = sorted(samples)
    count = len(ordered)
    # The longest of thousands of runs would squeeze all others into a corner.
    low, high = ordered[0], ordered[quantile_rank(count, 0.995) - 1]
    if limit is not None:
        low, high = min(low, limit), max(high, limit)
    span = (high - low) or max(high, 1.0)
    left, width, top, depth = 34, _WIDTH // 2 - 44, 8, 130

    def x(value: float) -> float:
        return left + width * min(1.0, (value - low) / span)

    def y(share: float) -> float:
        return top + depth * (1 - share)

    shares = [index / 50 for index in range(1, 50)]
    line = " ".join(f"L{x(ordered[quantile_rank(count, s) - 1]):.1f} {y(s):.1f}" for s in shares)
    band = [(s, ranks) for s in shares if (ranks := interval_ranks(count, s)) is not None]
    parts = []
    if band:
        lower = [f"{x(ordered[ranks[0] - 1]):.1f} {y(s):.1f}" for s, ranks in band]
        upper = [f"{x(ordered[ranks[1] - 1]):.1f} {y(s):.1f}" for s, ranks in reversed(band)]
        parts.append(f'<path class="band" d="M{"L".join(lower)}L{"L".join(upper)}z"/>')
    for share in (0, 0.5, 0.9, 1):
        parts.append(f'<path class="grid" d="M{left} {y(share):.1f}h{width}"/>')
        parts.append(f'<text class="label" x="{left - 4}" y="{y(share) + 4:.1f}">{share:.0%}</text>')
    parts.append(f'<path class="line" d="M{x(ordered[0]):.1f} {y(0):.1f} {line} L{x(ordered[-1]):.1f} {y(1):.1f}"/>')
    for share in (0.5, 0.9, 0.99):
        if share == 0.99 and interval_ranks(count, share) is None:
            continue
        value = ordered[quantile_rank(count, share) - 1]
        parts.append(
            f'<circle cx="{x(value):.1f}" cy="{y(share):.1f}" r="3.5"><title>P{share * 100:.0f}: '
            f"{escape(duration(value))}</title></circle>"
        )
    if limit is not None:
        parts.append(f'<path class="limit" d="M{x(limit):.1f} {top}v{depth}"/>')
    parts += [
        f'<text class="tick" x="{x(value):.1f}" y="{top + depth + 16}">{escape(duration(value))}</text>'
        for value in _ticks(low, low + span, 3)
    ]
    spoken = ", ".join(
        f"{share:.0%} are over after {duration(ordered[quantile_rank(count, share) - 1])}" for share in (0.5, 0.9)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH // 2} {top + depth + 24}" role="img" aria-label="{escape(spoken)}">'
        f"{''.join(parts)}</svg>"
    )


# --- pieces ---------------------------------------------------------------------------------------------


def _cell(seconds: float | None) -> str:
    return "never" if seconds is None else duration(seconds)


def _instant(seconds: float | None) -> str:
    return escape(_cell(seconds))


def _data(plan: Plan) -> str:
    """The plan for programs that find the page; `<` would end the element."""
    data: dict[str, Any] = plan.to_dict()
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="plan">{text}</script>'


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2330;--soft:#525c6b;--paper:#fff;--card:#f5f7fa;--rule:#d5dbe3;--blue:#1f5fbf;
--mid:#7aa5e6;--pale:#c3d8f7;--red:#b3261e;--amber:#8a5a00;--green:#1a6b3c;--gap:#c2410c;--unready:#b8860b}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a6b0bf;--paper:#12161d;--card:#1b212b;--rule:#38414f;
--blue:#7fb0ff;--mid:#4a75b8;--pale:#2b456f;--red:#ff8a80;--amber:#f0b74a;--green:#7ed6a0;--gap:#ff9a66;
--unready:#e0b94a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .5rem}
p{margin:.4rem 0}.note,small{color:var(--soft);font-size:.85rem}td small{display:block;white-space:nowrap}
.verdict{display:inline-block;margin:0;padding:.15rem .7rem;border:2px solid;border-radius:.4rem;font-weight:700}
.go{color:var(--green)}.maybe{color:var(--amber)}.stop{color:var(--red)}
.tag{border:1px solid;border-radius:.3rem;padding:0 .4rem;font-size:.85rem}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.5rem 0 1rem}dt{color:var(--soft);font-size:.85rem}dd{margin:0;
font-weight:600}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.95rem}
th,td{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600}thead th{color:var(--soft);font-size:.85rem}.part{padding-left:1.2rem;font-weight:400}
.bar{min-width:6rem;width:24%}tbody th{min-width:9rem}.bar svg{display:block;width:100%;height:.9rem;margin-top:.3rem}
svg{display:block;width:100%;height:auto;overflow:visible}figure{margin:0}figcaption{font-weight:600;font-size:.95rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem 2rem}
.p50{fill:var(--blue)}.p90{fill:var(--mid)}.p99{fill:var(--pale)}
.label,.tick{font-size:11px;fill:var(--soft)}.label{text-anchor:end}.tick{text-anchor:middle}
.axis,.grid{stroke:var(--rule);fill:none}.grid{stroke-dasharray:2 3}.line{stroke:var(--blue);stroke-width:2;fill:none}
.whisker{stroke:var(--ink);fill:none}.second{stroke:var(--mid);
stroke-width:2;fill:none}.low{fill:var(--mid)}.high{fill:var(--blue)}.name{font-size:11px;fill:var(--ink);
text-anchor:end}
tbody th.change{min-width:16rem}.change details{font-weight:400}
.band{fill:var(--pale)}circle{fill:var(--blue)}.limit{stroke:var(--red);stroke-width:2;stroke-dasharray:5 4}
.block{fill:var(--red)}.freeze{fill:var(--amber)}.actor{fill:var(--blue)}.stale{fill:var(--pale)}.gap{fill:var(--gap)}
.unready{fill:var(--unready)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;padding:0;font-size:.85rem}
.swatch{display:inline-block;width:.8rem;height:.8rem;margin-right:.4rem;border-radius:.15rem;vertical-align:-1px}
.swatch.stale{background:var(--pale)}.swatch.low{background:var(--mid)}.swatch.high{background:var(--blue)}
.swatch.gap{background:var(--gap)}.swatch.unready{background:var(--unready)}
pre{background:var(--card);border:1px solid var(--rule);border-radius:.4rem;padding:.7rem;overflow-x:auto;
font-size:.85rem;margin:.5rem 0}code{font-size:.9em;overflow-wrap:anywhere}
details{border:1px solid var(--rule);border-radius:.4rem;margin:.4rem 0;padding:.4rem .8rem}summary{cursor:pointer}
button{font:inherit;font-size:.8rem;color:var(--ink);background:var(--card);border:1px solid var(--rule);
border-radius:.3rem;cursor:pointer}
:focus-visible{outline:3px solid var(--blue);outline-offset:2px}
.wide>svg{min-width:36rem}@media(max-width:34rem){.bar{display:none}tbody th,tbody th.change{min-width:0}}
.hidden{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
@media print{body{font-size:11pt}details{border:0;padding:0}details>*{display:block}button{display:none}
section{break-inside:avoid}}
""".replace("\n", "")

# Nothing depends on it: a button to copy each recipe, and all recipes open on paper.
_SCRIPT = """
for(const pre of document.querySelectorAll("pre")){const button=document.createElement("button");
button.type="button";button.textContent="Copy";button.onclick=()=>navigator.clipboard.writeText(pre.textContent)
.then(()=>{button.textContent="Copied"});pre.after(button)}
addEventListener("beforeprint",()=>{for(const d of document.querySelectorAll("details"))d.open=true})
""".replace("\n", "")
