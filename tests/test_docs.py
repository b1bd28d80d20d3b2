"""Every command that the documentation shows does what is shown, and every link within it leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs_examples import PAGES, ROOT, Example, examples, matches, run

EXAMPLES = [example for page in PAGES for example in examples(page)]


def test_the_pages_that_show_commands() -> None:
    pages = {example.page.stem for example in EXAMPLES}
    assert pages >= {"README", "tutorial", "plan", "recover", "route", "watch", "v1-data", "calibrate"}


def test_a_console_block_holds_only_what_can_be_run() -> None:
    assert [f"{example.name}: {example.command}" for example in EXAMPLES if not example.ours] == [], "use a block of sh"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_command_prints_what_the_page_shows(example: Example) -> None:
    printed = run(example)
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


def test_a_command_is_run_behind_the_one_that_wrote_its_file(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ calico-lint --version > a.txt\n$ calico-lint \\\n  a.txt\n1\n2\n```\n"
        "```console\n$ calico-sim --version\nx\n\n```\n```sh\n$ kubectl\n```\n"
    )
    first, second, third = examples(page)
    assert (first.command, first.output, first.before, first.line) == ("calico-lint --version > a.txt", "", (), 2)
    assert (second.command, second.output, second.line) == ("calico-lint \\\n  a.txt", "1\n2\n", 3)
    assert second.before == (first.command,)
    assert (third.output, third.before) == ("x\n\n", ())
    assert run(first) == ""
    assert "a.txt" in run(second)
