"""Shell completion and man pages: written from the parsers, tried in the shells that this machine has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from calico_lint.cli import main
from calico_lint.completion import options_of, rule_words, script, subcommands
from calico_lint.manual import page
from calico_lint.options import build_parser
from simulator.cli import _parser

PARSERS = {"calico-lint": build_parser, "calico-sim": _parser}
SHELLS = ("bash", "zsh", "fish")


def flags(program: str) -> set[str]:
    parser = PARSERS[program]()
    every = [parser, *(each for _, _, each in subcommands(parser))]
    return {flag for each in every for action in options_of(each) for flag in action.option_strings}


@pytest.mark.parametrize("program", PARSERS)
@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_completed(program: str, shell: str) -> None:
    text = script(PARSERS[program](), shell)
    for flag in flags(program):
        written = flag if shell != "fish" else f"-l {flag[2:]} " if flag.startswith("--") else f"-s {flag[1:]} "
        assert written in text


def bash(program: str, *words: str) -> list[str]:
    """What bash offers for the last of the words, split as bash splits them."""
    line = " ".join(f"'{word}'" for word in (program, *words))
    code = (
        f"{script(PARSERS[program](), 'bash', rule_words())}\n"
        f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _{program.replace('-', '_')}; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    result = subprocess.run(["bash", "-eu", "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
@pytest.mark.parametrize(
    ("program", "words", "offered"),
    [
        ("calico-lint", ["--format", ""], {"text", "json", "sarif"}),
        ("calico-lint", ["--format", "=", "te"], {"text"}),
        ("calico-lint", ["--format", "="], {"checkstyle"}),
        ("calico-lint", ["--kops"], {"--kops-version"}),
        ("calico-lint", ["x.yaml", "-"], {"--format", "-q", "--quiet"}),
        ("calico-lint", ["--select", "KC10"], {"KC102"}),
        ("calico-lint", ["--explain", "Y02"], {"Y020", "Y021"}),
        ("calico-sim", ["pl"], {"plan"}),
        ("calico-sim", ["--comp"], {"--completion"}),
        ("calico-sim", ["plan", "--format", ""], {"text", "json"}),
        ("calico-sim", ["plan", "--fr"], {"--from", "--from-kops-version"}),
    ],
)
def test_bash_completes(program: str, words: list[str], offered: set[str]) -> None:
    found = bash(program, *words)
    assert offered <= set(found)
    assert all(word.startswith(words[-1].strip("=")) for word in found)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
@pytest.mark.parametrize("words", [["--baseline", ""], ["speci"], ["--kops-version", "1."], ["plan", ""]])
def test_bash_leaves_files_to_readline(words: list[str]) -> None:
    assert bash("calico-lint", *words) == []


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh here")
@pytest.mark.parametrize("program", PARSERS)
def test_zsh_loads_it(program: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(script(PARSERS[program](), "zsh"))
    code = f"autoload -U compinit && compinit -u -D; source {tmp_path}/script; print $_comps[{program}]"
    result = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == (f"_{program}", "")


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish here")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("calico-lint --format ", "sarif"),
        ("calico-lint --only", "--only-kops"),
        ("calico-sim pl", "plan"),
        ("calico-sim plan --form", "--format"),
        ("calico-sim plan --format ", "json"),
    ],
)
def test_fish_completes(line: str, offered: str, tmp_path: Path) -> None:
    program = line.split()[0]
    (tmp_path / "script").write_text(script(PARSERS[program](), "fish", rule_words()))
    code = f"source {tmp_path}/script; complete -C '{line}'"
    result = subprocess.run(
        ["fish", "--no-config", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert offered in [row.split("\t")[0] for row in result.stdout.splitlines()], result.stderr


@pytest.mark.parametrize("program", PARSERS)
def test_the_programs_print_it(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    from simulator.cli import main as simulate

    if program == "calico-lint":
        assert main(["--completion", "zsh"]) == 0
    else:
        with pytest.raises(SystemExit) as stop:
            simulate(["--completion", "zsh"])
        assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"#compdef {program}\n")


# --- man pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PARSERS)
def test_the_page_holds_every_option(program: str) -> None:
    text = page(program)
    plain = text.replace("\\-", "-")
    for flag in flags(program):
        assert f"\\fB{flag}\\fR" in plain
    for name, _, _ in subcommands(PARSERS[program]()):
        assert f".SS {name}\n" in plain
    # A line that begins with a dot and no request would be swallowed.
    assert set(re.findall(r"(?m)^\.\S*", text)) <= {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".BR"}


@pytest.mark.skipif(not shutil.which("man"), reason="there is no man here")
@pytest.mark.parametrize("program", PARSERS)
def test_man_shows_the_page(program: str, tmp_path: Path) -> None:
    (tmp_path / "page.1").write_text(page(program))
    command = ["man", "--warnings", "-E", "UTF-8", "-l", str(tmp_path / "page.1")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert result.stderr == ""
    shown = re.sub(r".\x08|\x1b\[[0-9;]*m", "", result.stdout)
    assert "--kops-version X.Y.Z" in shown
    assert "$KOPS_VERSION" in shown or program == "calico-sim"
