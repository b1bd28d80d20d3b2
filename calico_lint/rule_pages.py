"""The pages of the rules: `python -m calico_lint.explain --write docs/rules`, and `--check` for what has drifted.

A page says what `--explain` says, because it is that text. The index lists the rules by topic and by kOps release.
"""

from __future__ import annotations

import sys
from pathlib import Path

from calico_lint import rules
from calico_lint.explain import explain
from calico_lint.kops.releases import NEWEST_PATCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from calico_lint.rules.core import Rule

INDEX = "index.md"


def pages() -> dict[str, str]:
    """File name -> text, of every page and the index."""
    every = rules.all_rules()
    return {INDEX: index()} | {f"{rule.id}.md": f"{explain(rule)}\n[All rules]({INDEX})\n" for rule in every}


def index() -> str:
    """The rules by topic, then by release."""
    lines = [
        "# Rules",
        "",
        "Written from the rules' own texts by `python -m calico_lint.explain --write docs/rules`. "
        "Each page is what `calico-lint --explain RULE` prints.",
    ]
    for topic in rules.TOPICS:
        lines += ["", f"## {_heading(rules.load(topic).__doc__ or topic)}", "", *_table(rules.load(topic).RULES)]
    lines += ["", "## By kOps release", "", *_by_release(rules.all_rules())]
    return "\n".join(lines) + "\n"


def _heading(docstring: str) -> str:
    """The first sentence."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


def _table(topic: Iterable[Rule]) -> Iterator[str]:
    yield "| Rule | Severity | kOps | What is wrong | Fix |"
    yield "|---|---|---|---|---|"
    for rule in topic:
        names = ", ".join((_link(rule), *rule.aliases))
        title = rule.text.title.rstrip(".").replace("|", "\\|")
        yield f"| {names} `{rule.name}` | {rule.severity} | {rule.span} | {title} | {rule.fix or ''} |"


def _link(rule: Rule) -> str:
    return f"[{rule.id}]({rule.id}.md)"


def _by_release(every: Iterable[Rule]) -> Iterator[str]:
    bounded = [rule for rule in every if rule.since is not None or rule.until is not None]
    yield "Every other rule holds in all releases. What some of these ask depends on the release besides."
    yield ""
    yield "| kOps | Rules |"
    yield "|---|---|"
    for minor in NEWEST_PATCH:
        links = " ".join(_link(rule) for rule in bounded if _holds(rule, minor))
        yield f"| 1.{minor} | {links} |"


def _holds(rule: Rule, minor: int) -> bool:
    """Whether the rule exists in some patch of the minor."""
    return (rule.since is None or rule.since.minor <= minor) and (rule.until is None or minor <= rule.until.minor)


def write(folder: Path) -> None:
    """Write all pages, and remove those of rules that are gone."""
    wanted = pages()
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def drift(folder: Path) -> list[str]:
    """The pages that are missing, differ, or are of no rule."""
    wanted = pages()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))


def main(arguments: Sequence[str]) -> int:
    """`--write FOLDER` or `--check FOLDER`; the exit code."""
    if len(arguments) != 2 or arguments[0] not in ("--write", "--check"):
        print("usage: python -m calico_lint.explain --write|--check FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[1])
    if arguments[0] == "--write":
        write(folder)
        return 0
    for name in (different := drift(folder)):
        print(f"{folder / name} differs from the rule: python -m calico_lint.explain --write {folder}", file=sys.stderr)
    return 1 if different else 0
