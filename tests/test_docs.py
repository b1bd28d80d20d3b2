"""Every command that the documentation shows does what is shown, and every link within it leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs_examples import PAGES, ROOT, Example, examples, matches, run

EXAMPLES = [example for page in PAGES for example in examples(page) if example.runs]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_command_prints_what_the_page_shows(example: Example) -> None:
    printed = run(example.command)
    assert matches(example.output, printed), f"`python -m tests.docs_examples` renews it; it prints\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n[...]\nd\n", "a\nb\nc\nd\n", True),
        ("a\n[...]\nd\n", "a\nb\nc\n", False),
        ("a.b\n", "acb\n", False),
        ("", "", True),
        ("", "a\n", False),
    ],
)
def test_matching(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
