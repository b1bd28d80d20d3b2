"""Narrow terminals, terminals without colour, and encodings that lack half of the characters."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from calico_lint.cli import main as lint
from calico_lint.plain import LIKENESSES, register
from simulator.cli import main as sim
from tests.helpers import ROOT, read_terminal

SPEC = "fixtures/specs/calico-v2-to-v3.yaml"
PLAN = ["simulator", "plan", SPEC, "--kops-version", "1.12.3", "--replications", "4"]
COMMANDS = {
    "plan": [*PLAN, "--pod-rate", "5", "--node-rate", "6"],
    "blocked": ["simulator", "plan", "fixtures/specs/calico-v2-etcd-2.yaml", "--kops-version", "1.12.3"],
    "checklist": [*PLAN, "--checklist"],
    "state": [*PLAN, "--state", "fixtures/states/rolling-on.json"],
    "lint": ["calico_lint", "fixtures/specs/mistakes.yaml", "--no-cache", "--isolated"],
    "recover": ["simulator", "recover", "fixtures/states/init-waits.json"],
    "route": ["simulator", "route", "fixtures/specs/calico-v2-etcd-2.yaml", "--to", "v3"],
    "watch": ["simulator", "watch"],
}
CODE_PAGES = ["cp437", "cp1252", "ascii"]

# Lines that are as long as they are: commands and places to be copied, excerpts of a spec, a line for each change.
_WHOLE = re.compile(
    r"^\s*(\$ |Again: )|^\S+\.yaml:\d+|^\s*\d* \| |^\s+\|| = |^\d\d:\d\d:\d\d  |^\s+[a-z]\w*: |Write:"
    r"|^\d+ (errors?, |fixable )"
)


def run(name: str, encoding: str = "utf-8", columns: str = "") -> tuple[int, bytes, str]:
    """(exit code, standard output, standard error) of a command whose output is no terminal, in this process."""
    program, *arguments = COMMANDS[name]
    out, err = io.BytesIO(), io.BytesIO()
    stream = (ROOT / "fixtures" / "streams" / "five-nodes.json").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.delenv("COLUMNS", raising=False)
        if columns:
            patch.setenv("COLUMNS", columns)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream), encoding=encoding))
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
        patch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding=encoding))
        code = (sim if program == "simulator" else lint)(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        return code, out.getvalue(), err.getvalue().decode(encoding)


@pytest.fixture(scope="module")
def outputs() -> dict[str, tuple[int, str]]:
    """What each command prints where every character is there."""
    return {name: (code, out.decode()) for name in COMMANDS for code, out, _ in [run(name)]}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_code_pages(name: str, encoding: str, outputs: dict[str, tuple[int, str]]) -> None:
    code, out, err = run(name, encoding)
    expected_code, expected = outputs[name]
    assert (code, err) == (expected_code, "")
    found = out.decode(encoding).replace("\r\n", "\n")
    assert found.count("?") == expected.count("?")
    assert "\\u" not in found
    # The same words; the marks of bars and what stands for a character may differ.
    assert re.findall(r"\w[\w.'`:/]*", found) == re.findall(r"\w[\w.'`:/]*", plain(expected))


def plain(text: str) -> str:
    return text.encode("ascii", register()).decode()


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", [40, 60, 80])
def test_narrow_terminals(name: str, columns: int, outputs: dict[str, tuple[int, str]]) -> None:
    code, out, err = run(name, columns=str(columns))
    assert (code, err) == (outputs[name][0], "")
    lines = out.decode().splitlines()
    # A word that is longer than half a line, such as the name of a machine, is not broken either.
    wide = [line for line in lines if len(line) > columns and not _WHOLE.search(line)]
    assert [line for line in wide if max(map(len, line.split())) <= columns // 2] == []
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_colour_where_nobody_asked(name: str, outputs: dict[str, tuple[int, str]]) -> None:
    assert "\x1b" not in outputs[name][1]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
@pytest.mark.parametrize("name", ["plan", "lint", "recover"])
@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminals(name: str, setting: dict[str, str], coloured: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "70", "LANG": "C.UTF-8", **setting}
    child = subprocess.Popen([sys.executable, "-m", *COMMANDS[name]], cwd=ROOT, stdout=theirs, env=environment)
    os.close(theirs)
    output = read_terminal(ours)
    assert child.wait(timeout=60) in (0, 1)
    text = output.decode()
    colours = re.findall(r"\x1b\[[\d;]*3[0-7][\d;]*m|\x1b\[[\d;]*4[0-7][\d;]*m", text)
    assert bool(colours) == (coloured and name != "recover")
    lines = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).splitlines()
    assert all(len(line) <= 70 for line in lines if not _WHOLE.search(line))


@pytest.mark.parametrize("name", ["plan", "recover", "lint"])
def test_json_is_utf_8_on_every_terminal(name: str) -> None:
    arguments = [sys.executable, "-m", *COMMANDS[name], "--format", "json"]
    environment = {"PATH": os.environ["PATH"], "PYTHONUTF8": "0"}
    outputs = [
        subprocess.run(
            arguments, cwd=ROOT, env={**environment, "PYTHONIOENCODING": encoding}, capture_output=True, check=False
        ).stdout
        for encoding in ("utf-8", "cp437")
    ]
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0].decode())


def test_a_stream_is_read_as_utf_8_on_every_terminal(tmp_path: Path) -> None:
    """One that no code page can read: 0x81 is nothing in cp1252."""
    stream = (ROOT / "fixtures" / "streams" / "five-nodes.json").read_text()
    strange = stream.replace('"metadata": {', '"metadata": {"annotations": {"by": "\u0141\u00c1"}, ', 1)
    assert strange != stream
    environment = {"PATH": os.environ["PATH"], "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "watch"],
        cwd=ROOT, input=strange.encode(), capture_output=True, env=environment, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_likenesses_are_ascii() -> None:
    assert all(likeness.isascii() for likeness in LIKENESSES.values())
    assert plain("a → b … ☃") == "a > b ... ?"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", register())
