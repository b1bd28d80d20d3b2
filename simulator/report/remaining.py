"""What is left of an upgrade, for people: where it stands, what is wrong, and how long it still takes."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.planning import duration
from simulator.recover import STALLED, UNDECIDED
from simulator.remaining import COMPLETING, DONE, FIRST, NOT_BEGUN, ROLLING, Left, Remaining
from simulator.report import recover
from simulator.report.lines import shown, wrapped
from simulator.report.lines import width as columns

_LABELS = {
    "scheduling_block": "no new pod starts for",
    "policy_freeze_enforcement": "no policy change takes effect for",
    "others": "every other node is Ready in",
    "rollout": "every node is Ready in",
    "total": "everything is done in",
}
_NEVER = {name: "ever" if label.endswith(" for") else "never" for name, label in _LABELS.items()}

_PHASES = {
    NOT_BEGUN: "the upgrade has not begun",
    FIRST: "the first node is on its way",
    ROLLING: "{done} of {nodes} nodes run the new calico-node",
    COMPLETING: "every node runs the new calico-node; the completion Job opens the datastore",
    DONE: "every node runs the new calico-node",
}


def render_text(remaining: Remaining, cluster: str) -> str:
    """The whole report; `cluster` is its name."""
    return "".join(f"{shown(line)}\n" for line in _lines(remaining, cluster))


def _lines(remaining: Remaining, cluster: str) -> Iterator[str]:
    at = remaining.standing
    begun = at.phase == FIRST and not at.on_their_way  # by a node that is NotReady
    where = _PHASES[ROLLING if begun else at.phase].format(done=at.done, nodes=at.nodes)
    if at.phase == ROLLING and at.on_their_way:
        where += f", {len(at.on_their_way)} more {'are' if len(at.on_their_way) > 1 else 'is'} on the way"
    if at.not_ready:
        where += f", {len(at.not_ready)} node{'s are' if len(at.not_ready) > 1 else ' is'} NotReady"
    locked = {True: "; no new pod starts", False: "", None: ""}[at.locked]
    if at.locked and at.closed_for:
        locked += f", since {duration(at.closed_for)} at least"
    yield from wrapped("", f"{cluster}: {where}{locked}.")
    yield ""
    yield from recover.render_text(remaining.answer, remaining.etcd).splitlines()
    yield from _left(remaining)
    if remaining.notes:
        yield ""
        yield "Approximated and assumed"
        for note in remaining.notes:
            yield from wrapped("  - ", note)


def _left(remaining: Remaining) -> Iterator[str]:
    if not remaining.replications:
        return
    tables = list(_tables(remaining))
    first = max(len(text) for title, left in tables for text in (title, *(_LABELS[name] for name in left)))
    for title, left in tables:
        yield ""
        yield from _table(title, left, first)
    _, left = tables[-1]
    which = "first" if "scheduling_block" in left else "last"
    p90 = left["scheduling_block" if which == "first" else "total"][1]
    if p90.interval is not None and p90.interval[0] is not None:
        upper = "never" if p90.interval[1] is None else duration(p90.interval[1])
        runs = f"{remaining.replications} runs"
        which += " P90 of the last table" if len(tables) > 1 else " P90"
        yield from wrapped("", f"({runs}; the {which} is {duration(p90.interval[0])} to {upper}, 95%)")


def _tables(remaining: Remaining) -> Iterator[tuple[str, Left]]:
    """What is left, each with its title: one, or where nodes are NotReady one for each way on."""
    begins = {STALLED: "From when that is mended on", UNDECIDED: "If it goes on by itself, from now on"}
    if remaining.deleted is None or remaining.returned is None:
        yield begins.get(remaining.answer.verdict, "From now on"), remaining.left
        return
    count = len(remaining.standing.not_ready)
    are, it = ("are", "they") if count > 1 else ("is", "it")
    them = f"{count} nodes" if count > 1 else "that node"
    # With a node NotReady the roll of all is never over, which the other rows say.
    yield (
        f"As long as {them} {are} NotReady",
        {name: both for name, both in remaining.left.items() if name != "rollout"},
    )
    rest = " and the rest is mended" if set(remaining.answer.reasons) - {"node_not_ready"} else ""
    if remaining.deleted:
        yield f"Once {it} {are} deleted{rest}", remaining.deleted
    yield f"Once {it} {are} back{rest}", remaining.returned


def _table(title: str, left: Left, first: int) -> Iterator[str]:
    rows = [
        (_LABELS[name], *(_NEVER[name] if each.value is None else duration(each.value) for each in both))
        for name, both in left.items()
    ]
    width = max(11, *(len(cell) for row in rows for cell in row[1:]))
    if first + 2 * (width + 2) <= columns():
        yield f"{title:{first}}  {'P50':>{width}}  {'P90':>{width}}"
        for label, *cells in rows:
            yield f"{label:{first}}" + "".join(f"  {cell:>{width}}" for cell in cells)
    else:
        yield from wrapped("", f"{title}:")
        for label, p50_cell, p90_cell in rows:
            yield from wrapped("  ", f"{label} {p50_cell} (P90 {p90_cell})")
