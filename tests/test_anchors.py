"""docs/anchors.md: every feature has its row, and every test that it names exists."""

from __future__ import annotations

import re

from tests.helpers import ROOT

TEXT = (ROOT / "docs" / "anchors.md").read_text()
ROWS = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in re.findall(r"(?m)^\| \d+ \|.*$", TEXT)]


def test_all_features_and_lessons_are_answered() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 55))
    assert [int(number) for number in re.findall(r"(?m)^(\d+)\. \*\*", TEXT)] == list(range(1, 16))


def test_what_is_there_is_tested() -> None:
    for number, feature, state, _, test in ROWS:
        if state == "no":
            assert not test
            continue
        path, name = re.fullmatch(r"`([\w/.]+)::(\w+)`", test).groups()  # type: ignore[union-attr]
        assert f"def {name}(" in (ROOT / path).read_text(), f"{number} {feature}"
