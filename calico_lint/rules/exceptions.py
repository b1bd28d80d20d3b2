"""Rules about exceptions from the rules: comments that suppress findings, and baselines (Y020-Y023)."""

from __future__ import annotations

from calico_lint.rules.core import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.rules.core import Rule

UNKNOWN = described(
    "Y020",
    "ignore-unknown",
    severity="warning",
    origin="calico",
    text="""A `# calico-lint:` comment that says nothing calico-lint knows.

    It names a rule that does not exist, lacks the brackets, or is an `ignore-file` that does not stand at the head
    of the file. It suppresses nothing, although somebody meant it to.

    Fix: `# calico-lint: ignore[KC102] the reason`; `--list-rules` shows the rules.
    Source: docs/suppressions.md.
    """,
)

UNUSED = described(
    "Y021",
    "ignore-unused",
    severity="warning",
    origin="calico",
    text="""A `# calico-lint: ignore[...]` comment that suppresses nothing.

    What it was written for has been put right, or it stands on the wrong line. Left behind, it would hide the same
    mistake the next time. Rules that this run does not ask (`--select`, upgrade rules without `--from`) are not
    counted against it, nor is a file that could not be read to its end.

    Fix: remove the comment, or move it to the line, or above the entry, that it is about.
    Source: docs/suppressions.md.
    """,
)

NO_REASON = described(
    "Y022",
    "ignore-without-reason",
    severity="error",
    origin="calico",
    text="""A `# calico-lint: ignore[...]` comment gives no reason, and the settings ask for one.

    `require-reason` is set. The comment still counts; whoever reads it next does not know why.

    Fix: write the reason behind the bracket: `# calico-lint: ignore[KC102] etcd 3 comes with the next change`.
    Source: docs/suppressions.md.
    """,
)

STALE = described(
    "Y023",
    "baseline-stale",
    severity="warning",
    origin="calico",
    text="""An entry of the baseline that no finding answers to any more.

    What it stood for has been put right or has changed. Left in, it would hide the same finding if it came back.
    Entries for files that were not part of the run, and for rules that were not asked, are not judged.

    Fix: write the baseline anew (`--write-baseline`), or delete the line.
    Source: docs/suppressions.md.
    """,
)

RULES: list[Rule] = [UNKNOWN, UNUSED, NO_REASON, STALE]
