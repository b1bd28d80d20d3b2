"""The command line has two readers: argparse, and a fast one, which says the same or leaves it to argparse."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_lint.options import _plain, build_parser, parse

ACTIONS = [
    action for action in build_parser()._actions if action.option_strings and action.dest not in ("help", "version")
]
SWITCHES = [action for action in ACTIONS if action.nargs == 0]
SETTINGS = [action for action in ACTIONS if action.nargs is None]


def of_argparse(argv: list[str]) -> dict[str, Any] | None:
    """What argparse makes of it; None where it exits."""
    try:
        return vars(build_parser().parse_intermixed_args(argv))
    except SystemExit:
        return None


def right_value(action: argparse.Action) -> str:
    if action.choices is not None:
        return str(next(iter(action.choices)))
    return "7" if action.type is not None else "x=y"


def test_every_option_is_one_of_two_kinds() -> None:
    assert len(SWITCHES) > 10
    assert len(SETTINGS) > 20
    assert len(SWITCHES) + len(SETTINGS) == len(ACTIONS)


@pytest.mark.parametrize("flag", [flag for action in SWITCHES for flag in action.option_strings])
def test_switches_need_no_argparse(flag: str) -> None:
    argv = ["a.yaml", flag, "-"]
    found = _plain(argv)
    assert found is not None
    assert found == of_argparse(argv)
    assert found != of_argparse(["a.yaml", "-"])
    assert _plain([f"{flag}=1"]) is None


@pytest.mark.parametrize("action", SETTINGS, ids=lambda action: action.dest)
@pytest.mark.parametrize("written", [("{flag}", "{value}"), ("{flag}={value}",)], ids=["apart", "joined"])
def test_settings_need_no_argparse(action: argparse.Action, written: tuple[str, ...]) -> None:
    words = [word.format(flag=action.option_strings[0], value=right_value(action)) for word in written]
    for argv in (words, [*words, *words, "a.yaml"]):
        found = _plain(argv)
        assert found is not None
        assert found == of_argparse(argv)


FLAGS = [flag for action in ACTIONS for flag in action.option_strings]
WORDS = st.one_of(
    st.sampled_from(FLAGS),
    st.sampled_from(FLAGS).map(lambda flag: flag[:-1]),  # abbreviations, and what is none
    st.sampled_from([right_value(action) for action in SETTINGS]),
    st.tuples(st.sampled_from(FLAGS), st.sampled_from(["", "7", "text", "error", "a=b"])).map("=".join),
    st.sampled_from(["", "-", "-1", "-qq", "-x", "- x", "--no-such", "a.yaml", "0", "nonsense", "--version", "-h"]),
)


@given(st.lists(WORDS, max_size=6))
def test_both_readers_agree(argv: list[str]) -> None:
    try:
        found = _plain(argv)
    except SystemExit:
        assert argv == ["--version"]
        return
    if found is not None:
        assert found == of_argparse(argv)


@given(st.lists(st.sampled_from(["a.yaml", "-q", "--select", "KC"]), max_size=4), st.lists(WORDS, max_size=3))
def test_what_stands_behind_two_dashes_is_a_path(head: list[str], tail: list[str]) -> None:
    before = of_argparse(head)
    if before is None:
        return
    options = parse([*head, "--", *tail])
    assert vars(options) == {**before, "paths": before["paths"] + tail}


def test_two_command_lines_share_nothing() -> None:
    parse(["--output", "json=a", "x.yaml"])
    assert parse([]).output == []
    assert parse([]).paths == []


@pytest.mark.parametrize("argv", [["--version"], ["-q", "--version"], ["--vers"]])
def test_the_version_is_the_same_from_both(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(argv)
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--version"])
    assert shown == capsys.readouterr().out
