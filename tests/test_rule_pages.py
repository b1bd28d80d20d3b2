"""The pages of the rules: one each, the text of `--explain`, and a check that notices every drift."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from calico_lint import rules
from calico_lint.explain import explain
from calico_lint.rule_pages import INDEX, drift, index, main, pages, write
from tests.helpers import ROOT

ALL = rules.all_rules()
PAGES = pages()


def test_every_rule_has_a_page_that_says_what_explain_says() -> None:
    assert set(PAGES) == {INDEX, *(f"{rule.id}.md" for rule in ALL)}
    assert all(PAGES[f"{rule.id}.md"].startswith(explain(rule)) for rule in ALL)


def test_the_index_links_every_rule_under_its_topic_and_names_its_aliases() -> None:
    text = index()
    by_topic, by_release = text.split("## By kOps release")
    assert len(re.findall(r"(?m)^## ", by_topic)) == len(rules.TOPICS)
    for rule in ALL:
        assert len(re.findall(rf"(?m)^\| \[{rule.id}\]\({rule.id}\.md\)", by_topic)) == 1, rule.id
        assert all(alias in by_topic for alias in rule.aliases)
    for link in re.findall(r"\]\((.*?)\)", text):
        assert link in PAGES
    rows = dict(re.findall(r"(?m)^\| (1\.\d+) \| (.*) \|$", by_release))
    assert "[S9]" in rows["1.11"]
    assert "[S9]" in rows["1.19"]
    assert "[S9]" not in rows["1.20"]
    assert "[KC101]" not in rows["1.36"]


def test_the_examples_of_a_page_are_yaml_that_stands_apart() -> None:
    """They are those that `tests/rules/test_examples.py` executes, indented as Markdown wants code."""
    for rule in ALL:
        text = PAGES[f"{rule.id}.md"]
        for example in (*rule.text.bad, *rule.text.good):
            assert "\n".join(f"    {line}" if line else "" for line in example.yaml.rstrip("\n").split("\n")) in text


def test_the_check_names_what_has_drifted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "rules"
    assert main(["--check", str(folder)]) == 1
    write(folder)
    assert drift(folder) == []
    assert main(["--check", str(folder)]) == 0
    (folder / "KC101.md").write_text("something else\n")
    (folder / "KC102.md").unlink()
    (folder / "OLD1.md").write_text("a rule that is gone\n")
    assert drift(folder) == ["KC101.md", "KC102.md", "OLD1.md"]
    assert main(["--check", str(folder)]) == 1
    assert "KC102.md differs from the rule" in capsys.readouterr().err
    assert main(["--write", str(folder)]) == 0
    assert drift(folder) == []


@pytest.mark.parametrize("arguments", [[], ["--write"], ["--check"], ["docs"], ["--write", "a", "b"]])
def test_the_usage_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage: " in capsys.readouterr().err


def test_it_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "calico_lint.explain", "--write", str(tmp_path / "rules")]
    subprocess.run(command, cwd=ROOT, check=True)
    assert (tmp_path / "rules" / INDEX).read_text() == index()
