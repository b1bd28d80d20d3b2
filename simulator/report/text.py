"""A plan for people: the verdict first, then the windows, the steps, the risks and what the numbers rest on."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calico_lint import __version__
from calico_lint.report.text import render as render_findings
from calico_lint.yaml_source import Source
from simulator.planning import BLOCKED, GO, NEVER_COMPLETES, OVER_BUDGET, TWO_FREEZES, UNDECIDED, duration
from simulator.report.lines import shown
from simulator.scenario import V2_TO_V3
from simulator.v1_data import share_of

if TYPE_CHECKING:
    from simulator.advice import Advice
    from simulator.maintenance import WindowAnswer
    from simulator.planning import Plan, Timeline
    from simulator.statistics import Estimate, Interval, Summary
    from simulator.sweep import Sweep

MEANWHILE = (
    "Running pods, Services and existing policies go on meanwhile; a deleted pod stays Terminating, and a waiting one "
    "starts within 15 s of the end."
)
"""CNI ADD and DEL fail (calico.go:93-100, 348-355 of cni-plugin v1.11.8); kubelet tries again after 10 to 15 s."""

_SENTENCES = {
    "scheduling_block": "No new pod starts",
    "policy_freeze_enforcement": "No policy change takes effect",
}

MOST_ADVICE = 4
"""Changes that are shown; the others are in the JSON and on the page."""

MOST_MEASURED = 5
"""Parameters that are shown of a sensitivity."""

PIPE_WIDTH = 100
"""Columns where there is no terminal to ask."""

# What a spec says is text: `[red]` is no style, `:tada:` no picture.
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}

_VERDICTS = {
    GO: ("GO", "bold white on green"),
    OVER_BUDGET: ("OVER BUDGET", "bold white on red"),
    UNDECIDED: ("UNDECIDED", "bold black on yellow"),
    NEVER_COMPLETES: ("NEVER COMPLETES", "bold white on red"),
    BLOCKED: ("BLOCKED", "bold white on red"),
}

WINDOWS = {
    "scheduling_block": "no new pod starts",
    "policy_freeze_enforcement": "no policy change takes effect",
    "policy_freeze_conversion": "  of it not even stored",
    "policy_freeze_controllers_init": "  of it counted by kOps' page",
    "node_policy_staleness_max": "one node's policies stand still, at most",
    "node_felix_gap_max": "one node has no calico-node, at most",
    "total": "everything, from kops update on",
}
"""The windows in the order of the report. The indented ones are parts of the one above."""


def write(plan: Plan, sources: Mapping[str, Source], command: str, file: TextIO | None = None) -> None:
    """Print a plan. `sources` are the files by path, for excerpts; `command` is how this plan is made again."""
    out: TextIO = file or sys.stdout
    if out.isatty():
        _Report(plan, Console(file=out, **_PLAIN), encoding=out.encoding).write(sources, command)
        return
    # Files and pipes get no colours and no blanks at the ends of lines; COLUMNS is honoured there too.
    buffer = io.StringIO()
    width = None if os.environ.get("COLUMNS") else PIPE_WIDTH
    console = Console(file=buffer, width=width, color_system=None, **_PLAIN)
    _Report(plan, console, encoding=out.encoding).write(sources, command)
    out.writelines(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


class _Report:
    """One report being written."""

    def __init__(self, plan: Plan, console: Console, encoding: str | None) -> None:
        self.plan = plan
        self.console = console
        self.unicode = (encoding or "utf-8").lower().startswith("utf")
        self.main = "scheduling_block" if plan.upgrade.protocol == V2_TO_V3 else "total"

    def write(self, sources: Mapping[str, Source], command: str) -> None:
        """All parts, in the order in which they matter at night."""
        self.verdict()
        if self.plan.verdict == BLOCKED and self.plan.lint.findings:
            self.console.print()
            # The linter's own report, with its own colours.
            self.console.out(
                render_findings(self.plan.lint, sources, color=self.console.is_terminal and not self.console.no_color),
                highlight=False,
                end="",
            )
        if self.plan.windows:
            self.windows()
            self.arrivals()
            self.joins()
            self.steps()
            self.timelines()
            self.causes()
            self.risks()
            self.checks()
        self.notes(command)

    # --- parts

    def verdict(self) -> None:
        plan, upgrade = self.plan, self.plan.upgrade
        label, style = _VERDICTS[plan.verdict]
        line = Text.assemble((f" {label} ", style), "  ", (shown(plan.cluster.name or "the cluster"), "bold"))
        before = f"Calico {upgrade.calico_from}" if upgrade.calico_from else "today's Calico"
        line.append(f": {before} → {upgrade.calico_to}, {plan.nodes} node{'s' if plan.nodes > 1 else ''}")
        line.append(f", Kubernetes {plan.cluster.kubernetes}, kOps {plan.kops}")
        self.console.print(line)
        self.console.print(_sentence(plan.reason))
        if plan.verdict == NEVER_COMPLETES:
            recovery = next((risk.recovery for risk in plan.risks if risk.probability == 1.0), ())
            if recovery:
                self.console.print("Once it hangs, end it by hand:")
                self.commands(recovery)
        for name, text in _SENTENCES.items():
            window = plan.windows.get(name)
            if window is None or window.summary.maximum == 0 or window.summary.p50 is None:
                continue
            sentence = Text.assemble(f"{text} for ", (duration(window.summary.p50), "bold"))
            sentence.append(f" (P90 {_cell(window.summary, 'p90')})")
            if window.start_p50 is not None:
                sentence.append(f", from {duration(window.start_p50)} after `kops update` on")
            self.console.print(sentence.append("."))
        self.maintenance()
        if upgrade.protocol != V2_TO_V3 and plan.windows:
            gap = plan.windows["node_policy_staleness_max"].summary.p90
            self.console.print(
                "New pods start all the time, and nothing freezes the policies of the whole cluster: they stand "
                f"still on one node at a time{f', for {duration(gap)} at most (P90)' if gap is not None else ''}."
            )

    def maintenance(self) -> None:
        for answer in self.plan.maintenance:
            self.console.print(fitting(answer))

    def windows(self) -> None:
        plan = self.plan
        scale = max(
            (value for window in plan.windows.values() for value in (window.summary.p99, window.summary.p90) if value),
            default=1.0,
        )
        # What the label and three quantiles such as `59 min 59 s` leave.
        room = min(30, self.console.width - max(map(len, WINDOWS.values())) - 3 * 13 - 4)
        table = self.table()
        table.add_column("How long")
        if room >= 8:
            table.add_column("", width=room, no_wrap=True)
        for name in ("P50", "P90", "P99"):
            table.add_column(name, justify="right", no_wrap=True)
        for name, label in WINDOWS.items():
            window = plan.windows.get(name)
            if window is None or (name == "scheduling_block" and window.summary.maximum == 0):
                continue
            style = "bold" if name in ("scheduling_block", "policy_freeze_enforcement") else ""
            cells = [_cell(window.summary, quantile) for quantile in ("p50", "p90", "p99")]
            bar = [self.bar(window.summary, scale, room)] if room >= 8 else []
            table.add_row(Text(label, style=style), *bar, *cells)
            if name == self.main and window.given != window.summary:
                cells = [_cell(window.given, quantile) for quantile in ("p50", "p90", "p99")]
                bar = [self.bar(window.given, scale, room)] if room >= 8 else []
                table.add_row(Text("  if the profile were exactly right", style="dim"), *bar, *cells)
        self.part(table)
        if plan.upgrade.protocol == V2_TO_V3:
            self.console.print(Text(f"{MEANWHILE} {TWO_FREEZES}", style="dim"))
        self.precision()

    def arrivals(self) -> None:
        """New pods at the rate that was asked about."""
        arrivals = self.plan.arrivals
        if arrivals is None:
            return
        line = f"At {arrivals.rate:g} new pods a minute "
        if arrivals.waiting[1] == 0:
            line += "none has to wait"
        elif None in (*arrivals.waiting, *arrivals.wait_max):
            line += "all that are created after the lock wait, without end"
        else:
            line += (
                f"{arrivals.waiting[0]:.0f} have to wait (P90 {arrivals.waiting[1]:.0f}), up to "
                f"{arrivals.waiting_at_once[0]:.0f} of them at once (P90 {arrivals.waiting_at_once[1]:.0f}): half of "
                f"them for {duration(arrivals.wait_median[0] or 0)} or longer, the first for "
                f"{duration(arrivals.wait_max[0] or 0)} (P90 {duration(arrivals.wait_max[1] or 0)})"
            )
        self.console.print()
        self.console.print(f"{line} ({arrivals.replications} run{'s' if arrivals.replications > 1 else ''}).")

    def joins(self) -> None:
        """New nodes at the rate that was asked about."""
        joins = self.plan.joins
        if joins is None:
            return
        runs = f"{joins.replications} run{'s' if joins.replications > 1 else ''}"
        joined, closed, median = joins.joined, joins.closed, joins.difference.median
        line = f"At {joins.rate:g} new nodes an hour "
        if joined[0].value is None:
            line += "the roll never catches up: they come faster than it gets on"
        else:
            line += f"{joined[0].value:.0f} {'joins' if joined[0].value == 1 else 'join'} meanwhile"
            line += "" if joined[1].value is None else f" (P90 {joined[1].value:.0f})"
            if median.value is not None:
                line += f": half of the runs get longer by {duration(max(0.0, median.value))} or more"
            if closed[1].value:
                line += f"; on a new node no pod starts for up to {duration(closed[1].value)} (P90)"
        self.console.print()
        self.console.print(f"{line} ({runs}).")
        if joins.never and joined[0].value is not None:
            low, high = joins.never_interval
            self.console.print(
                f"{joins.never:.1%} of these runs ({low or 0.0:.1%} to {high or 0.0:.1%}, 95%) never end because of "
                "new nodes: stop the autoscaler before you start."
            )

    def precision(self) -> None:
        """How far the numbers can be trusted."""
        plan = self.plan
        name = "total" if plan.windows[self.main].summary.maximum == 0 else self.main  # what is not shown needs none
        window = plan.windows[name]
        interval, stopping = window.summary.intervals["p90"], plan.stopping
        parts = []
        if interval is not None and interval[0] is not None:
            upper = "never" if interval[1] is None else duration(interval[1])
            sure = "95%" if stopping is None else f"{stopping.confidence:.2%}: 95% for all looks together"
            parts.append(
                f"{plan.options.replications} runs give that P90 as {duration(interval[0])} to {upper} ({sure})"
            )
        elif interval is None:
            count = plan.options.replications
            parts.append(f"{count} run{'s are' if count != 1 else ' is'} too few for an interval of that P90")
        if stopping is not None and not stopping.reached:
            parts.append(f"the precision of {stopping.precision:.3g} is not reached (more --replications)")
        if plan.engine is not None:
            parts.append(f"played event by event, because {plan.engine}")
        if parts:
            self.console.print(Text(f"{WINDOWS[name].strip().capitalize()}: {'; '.join(parts)}.", style="dim"))

    def bar(self, summary: Summary, scale: float, room: int) -> Text:
        """P50 solid, on to P90 lighter, on to P99 lightest; a window without end fills the room."""
        text = Text()
        drawn = 0
        marks = "█▓░" if self.unicode else "#=-"
        for mark, value in zip(marks, (summary.p50, summary.p90, summary.p99), strict=True):
            if value is None and not summary.unfinished:
                continue  # too few runs for a P99
            end = room if value is None else round(room * value / scale)
            text.append(mark * (end - drawn))
            drawn = max(drawn, end)
        return text if drawn else Text("▏" if self.unicode else "|")

    def steps(self) -> None:
        """The steps in order; a narrow terminal keeps the words and gives up the P90."""
        wide = self.console.width >= 84
        table = self.table()
        for name in ("From", "to (P50)", "P90")[: 3 if wide else 2]:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("Step", no_wrap=wide)
        table.add_column("What stands still meanwhile")
        for step in self.plan.steps:
            times = [_instant(time) for time in (step.start_p50, step.end_p50, step.end_p90)][: 3 if wide else 2]
            table.add_row(*times, Text(step.name, style="bold"), step.what)
        self.part(table)

    def timelines(self) -> None:
        """The steps of single runs, to scale: what is together at the median need not be together in any run."""
        shown = [timeline for timeline in self.plan.timelines if timeline.steps]
        room = self.console.width - 26
        if room < 30:
            return
        for timeline in shown:
            self.timeline(timeline, room)

    def timeline(self, timeline: Timeline, room: int) -> None:
        """One run: a bar for each step; one that does not end goes to the margin."""
        instants = [time for _, *ends in timeline.steps for time in ends if time is not None]
        longest = max(instants, default=0.0) or 1.0
        table = self.table()
        number = f"{timeline.replication + 1} of {self.plan.options.replications}"
        table.add_column(Text(f"The {timeline.name} run"), no_wrap=True, width=24)
        table.add_column(Text(f"{number}, to {duration(longest)}"), no_wrap=True)
        for name, start, end in sorted(timeline.steps, key=lambda step: _first(step[1], step[2])):
            if start is None:
                continue
            left = int((room - 1) * start / longest)
            right = room if end is None else max(left + 1, round(room * end / longest))
            mark = ("█" if self.unicode else "#") if end is not None else ("▒" if self.unicode else ">")
            table.add_row(name, Text(" " * left + mark * (right - left)))
        self.part(table)

    def causes(self) -> None:
        plan = self.plan
        stages = [f"{stage} {share:.0%}" for stage, share in plan.critical_path if share >= 0.005]
        what = "block" if plan.upgrade.protocol == V2_TO_V3 else "time"
        if stages:
            self.console.print()
            count = plan.critical_path_runs
            runs = f" (critical paths of {count} run{'s' if count > 1 else ''})."
            self.console.print(Text.assemble((f"Where the {what} goes: ", "bold"), ", ".join(stages) + runs))
            self.migration()
        self.advice()
        for sweep in plan.sweeps:
            self.sweep(sweep)
        self.sensitivity()

    def advice(self) -> None:
        """A line for each change, the most useful first; a narrow terminal gives up the interval."""
        plan = self.plan
        shown = [advice for advice in plan.advice if advice.p50_then is not None]
        if not shown:
            return
        wide = self.console.width >= 84
        table = self.table()
        window = WINDOWS[shown[0].window].strip()
        table.add_column(Text("What would change it", style="bold"), min_width=24)
        table.add_column("P50", justify="right", no_wrap=True)
        table.add_column("A run gets", justify="right", no_wrap=True)
        if wide:
            table.add_column("95%", no_wrap=True)
        for _ in plan.maintenance:
            table.add_column("Inside", justify="right", no_wrap=True)
        for advice in shown[:MOST_ADVICE]:
            change = advice.change if advice.price is None else f"{advice.change} ({advice.price})"
            cells = [_instant(advice.p50_then), *effect(advice)][: 3 if wide else 2]
            inside = [f"{answer.probability:.1%}" for answer in advice.maintenance]
            table.add_row(change, *cells, *inside)
        self.part(table)
        count = max(advice.replications for advice in shown)
        rest = len(shown) - MOST_ADVICE
        more = f"; {rest} more: --format json, --html" if rest > 0 else ""
        self.console.print(
            Text(
                f"({window[0].upper()}{window[1:]}; pairs of {count} run{'s' if count > 1 else ''} with the same draws"
                f"{more})",
                style="dim",
            )
        )

    def sweep(self, sweep: Sweep) -> None:
        """A line for each value."""
        room = self.console.width - max(len(sweep.name), *(len(point.value) for point in sweep.points))
        intervals = [name for name, needed in (("p50", 104), ("p90", 74)) if room >= needed]
        table = self.table()
        table.add_column(Text(sweep.name, style="bold"), no_wrap=True)
        for name in ("p50", "p90"):
            table.add_column(name.upper(), justify="right", no_wrap=True)
            if name in intervals:
                table.add_column("95%", no_wrap=True)
        table.add_column("Nodes off at once", no_wrap=True)
        for point in sweep.points:
            summary = point.windows[sweep.window]
            cells = []
            for name in ("p50", "p90"):
                cells.append(_cell(summary, name))
                if name in intervals:
                    cells.append(_interval(summary.intervals[name]))
            peak, mean = point.unavailable.peak.value, point.unavailable.mean.value
            table.add_row(point.value, *cells, f"{peak or 0:.0f}, mean {mean or 0:.1f}")
        self.part(table)
        runs = max(point.replications for point in sweep.points)
        self.console.print(
            Text(
                f"({WINDOWS[sweep.window].strip().capitalize()}, {runs} runs with the same draws; off: "
                "without calico-node, the most and the mean while it rolls)",
                style="dim",
            )
        )

    def sensitivity(self) -> None:
        """The parameters to measure first."""
        found = self.plan.sensitivity
        if found is None:
            return
        table = self.table()
        table.add_column(Text("Measure first", style="bold"), no_wrap=True)
        table.add_column("if", no_wrap=True)
        table.add_column("P90", no_wrap=True)
        if self.console.width >= 84:
            table.add_column("instead of", no_wrap=True)
        for influence in found.of(found.window)[:MOST_MEASURED]:
            low, high = influence.windows[found.window]
            cells = [
                f"{influence.ends.low.median:.3g} or {influence.ends.high.median:.3g} {influence.parameter.unit}",
                f"{_instant(low.value)} or {_instant(high.value)}",
                _instant(found.base[found.window].value),
            ][: 3 if self.console.width >= 84 else 2]
            table.add_row(influence.parameter.name, *cells)
        self.part(table)
        self.console.print(
            Text(
                f"({WINDOWS[found.window].strip().capitalize()}; each alone at the P10 and the P90 of what is known of "
                f"it, {found.replications} runs with the same draws)",
                style="dim",
            )
        )

    def migration(self) -> None:
        """The part of the block that grows with the v1 data, where that was counted."""
        data, share = self.plan.options.v1_data, share_of(self.plan.critical_path)
        if data is not None and share is not None and self.plan.upgrade.protocol == V2_TO_V3:
            resources, ipam = data.objects
            entries = "" if ipam is None else f" and {ipam:,} IPAM entries"
            self.console.print(f"Reading and writing the data, {resources:,} resources{entries}, is {share:.1%} of it.")

    def risks(self) -> None:
        shown = [risk for risk in self.plan.risks if risk.probability != 0.0]
        if not shown:
            return
        self.console.print()
        self.console.print(Text("Risks", style="bold"), "(? = the spec does not tell how likely)")
        for risk in shown:
            likely = "   ?" if risk.probability is None else f"{risk.probability:4.0%}"
            self.paragraph(Text.assemble((risk.name, "bold"), f": {risk.effect}."), Text(f"{likely}  ", "yellow"))
            self.commands(risk.recovery, indent=6)

    def checks(self) -> None:
        """That there is a list; it is longer than this report."""
        count = len(self.plan.checklist)
        self.console.print()
        self.console.print(Text("Before you start", style="bold"), f"{count} things to look at, each with its command:")
        self.console.print(Text("  add --checklist to this command", "cyan"))

    def notes(self, command: str) -> None:
        plan = self.plan
        self.console.print()
        self.console.print(Text("Assumed", style="bold"))
        for assumption in plan.assumptions:
            self.paragraph(Text(assumption), Text("  - "))
        self.console.print()
        line = Text.assemble(("Again: ", "bold"), (command, "cyan"))
        self.console.print(line, soft_wrap=True)
        if plan.profile is not None:
            self.console.print(
                f"calico-sim {__version__}, seed {plan.options.seed}, {plan.options.replications} replications, "
                f"timing profile {plan.profile.name!r} (every parameter and its source: --format json)"
            )

    # --- pieces

    def paragraph(self, text: Text, first: Text) -> None:
        """Wrapped text behind a mark, the further lines indented like the first."""
        lines = text.wrap(self.console, max(20, self.console.width - len(first)))
        for number, line in enumerate(lines):
            line.rstrip()
            self.console.print(first if number == 0 else " " * len(first), line, sep="", soft_wrap=True)

    def commands(self, commands: Iterable[str], indent: int = 2) -> None:
        """Commands as they are, never wrapped: they are there to be copied."""
        for command in commands:
            self.console.print(Text(f"{' ' * indent}$ {shown(command)}", style="cyan"), soft_wrap=True)

    def table(self) -> Table:
        return Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)

    def part(self, table: Table) -> None:
        self.console.print()
        self.console.print(table)


def _sentence(text: str) -> str:
    # kOps writes itself with a small k.
    return f"{text}." if text.startswith("kOps") else f"{text[0].upper()}{text[1:]}."


def _cell(summary: Summary, name: str) -> str:
    """A quantile in human units: `never` among unfinished runs, a dash where there are too few runs."""
    value: float | None = getattr(summary, name)
    if value is not None:
        return duration(value)
    too_few = name == "p99" and summary.intervals["p99"] is None
    return "–" if too_few else "never"


def effect(advice: Advice) -> tuple[str, str]:
    """What the change does to one and the same run: the median, and its interval."""
    if advice.part:
        return "in each", ""
    median = advice.difference.median
    if advice.p50_now is None:
        return "an end", ""
    if median.value is None:
        return "no end", ""
    way = "shorter" if median.value <= 0 else "longer"
    return f"{duration(abs(median.value))} {way}", interval_of(median)


def interval_of(difference: Estimate) -> str:
    """The interval of a difference without its sign, unless 0 is in it; empty: there is none."""
    if difference.interval is None or None in difference.interval:
        return ""
    low, high = (end or 0.0 for end in difference.interval)
    if low < 0 < high:
        return f"−{duration(-low)} to +{duration(high)}"
    return " to ".join(duration(end) for end in sorted((abs(low), abs(high))))


def fitting(answer: WindowAnswer) -> str:
    """How a maintenance window fits, in a sentence or two."""
    window = answer.window
    low, high = answer.interval
    clocks = "; the clocks are changed in it" if window.clock_change else ""
    text = (
        f"Maintenance window {window.text} ({duration(window.length)}{clocks}): {answer.probability:.1%} of the runs "
        f"end inside ({low:.1%} to {high:.1%})"
    )
    if answer.latest_start is None:
        return f"{text}; no start in it is safe."
    return f"{text}; the latest safe start is {answer.latest_start:%Y-%m-%d %H:%M:%S %Z}."


def _interval(ends: Interval | None) -> str:
    return "" if ends is None else f"{_instant(ends[0])} to {_instant(ends[1])}"


def _first(start: float | None, end: float | None) -> tuple[float, float]:
    return (float("inf") if start is None else start, float("inf") if end is None else end)


def _instant(seconds: float | None) -> str:
    return "never" if seconds is None else duration(seconds)
