"""calico-lint as a user runs it: exit codes, streams, formats, and what a clean run imports."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from calico_lint import __version__
from calico_lint.cli import main
from tests.helpers import ROOT, spec_text

GOOD = spec_text(None, "1.30")
BAD = spec_text("kubernetesVersion: latest", "1.30")
WARNING = spec_text("networking: {calico: {majorVersion: v3}}", "1.30")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KOPS_VERSION", raising=False)
    for name, text in (("good.yaml", GOOD), ("bad.yaml", BAD), ("warning.yaml", WARNING)):
        (tmp_path / name).write_text(text)
    (tmp_path / "other.yaml").write_text("a: 1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "values.yaml").write_text("a: 1\n")
    return tmp_path


def run(*arguments: str) -> int:
    return main(["--kops-version", "1.30.4", *arguments])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good.yaml"], 0),
        (["bad.yaml"], 1),
        (["good.yaml", "bad.yaml"], 1),
        (["bad.yaml", "--exit-zero"], 0),
        (["warning.yaml"], 0),
        (["warning.yaml", "--fail-on", "warning"], 1),
        (["other.yaml"], 1),
        (["other.yaml", "--only-kops"], 0),
        (["folder"], 3),
        (["folder", "good.yaml"], 0),
        (["folder", "--exit-zero"], 3),
        (["missing.yaml"], 2),
        (["missing.yaml", "bad.yaml"], 2),
        (["bad.yaml", "--ignore", "KV301"], 0),
        (["bad.yaml", "--select", "KC,KE"], 0),
        (["bad.yaml", "--select", "KV"], 1),
        (["bad.yaml", "--select", "NOSUCH"], 2),
        (["good.yaml", "--from", "missing.yaml"], 2),
        (["--list-rules"], 0),
        (["--explain", "KV301"], 0),
        (["--explain", "kubernetes-too-new"], 0),
        (["--explain", "S2"], 0),
        (["--explain", "NOSUCH"], 2),
        ([], 2),
    ],
)
@pytest.mark.usefixtures("here")
def test_exit_codes(arguments: list[str], code: int) -> None:
    assert run(*arguments) == code


@pytest.mark.parametrize("arguments", [["--jobs", "0"], ["--jobs=-1"], ["--max-bytes", "ten"], ["--max-bytes=-1"]])
def test_counts_are_positive(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "good.yaml"])
    assert stop.value.code == 2
    assert "is no whole number above 0" in capsys.readouterr().err


def test_what_stands_behind_two_dashes_is_a_path(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "--version").write_text(BAD)
    assert run("--format", "github", "--", "--version", "good.yaml") == 1
    assert capsys.readouterr().out.startswith("::error file=--version,")


def test_a_kops_version_that_does_not_parse_is_a_usage_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kops-version", "latest", "good.yaml"]) == 2
    assert "--kops-version: 'latest' is not a kOps version: give X.Y or X.Y.Z" in capsys.readouterr().err


def test_the_environment_names_the_release(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOPS_VERSION", "1.29")
    assert main(["good.yaml"]) == 1  # Kubernetes 1.30 is too new for kOps 1.29


def test_the_text_report_shows_the_place(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("bad.yaml")
    out = capsys.readouterr().out
    line = next(number for number, text in enumerate(BAD.split("\n"), 1) if "latest" in text)
    assert f"bad.yaml:{line}:22: error[KV301] `latest` is no Kubernetes version" in out
    assert f"{line} |   kubernetesVersion: latest" in out
    assert "|                      ^^^^^^\n" in out
    assert "1 error in 1 file (1 document checked)" in out
    assert "\x1b" not in out


def test_colour_when_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("bad.yaml", "--color", "always")
    assert "\x1b[1;31merror[KV301]\x1b[0m" in capsys.readouterr().out


def test_the_json_report_is_the_contract(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("bad.yaml", "folder", "--format", "json")
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert captured.err == ""
    assert report["version"] == 1
    assert report["tool"] == {"name": "calico-lint", "version": __version__}
    assert report["kops"] == {"version": "1.30.4"}
    assert report["summary"] == {
        "files": 2,
        "documents": 1,
        "errors": 1,
        "warnings": 0,
        "infos": 0,
        "suppressed": 0,
        "skipped": [{"path": "folder/values.yaml", "reason": "no kOps apiVersion"}],
    }
    (finding,) = report["findings"]
    line = next(number for number, text in enumerate(BAD.split("\n"), 1) if "latest" in text)
    message = finding.pop("message")
    assert "latest" in message
    assert finding == {
        "rule": "KV301",
        "name": "kubernetes-version-present",
        "severity": "error",
        "origin": "kops-written",
        "path": "bad.yaml",
        "line": line,
        "column": 22,
        "end_line": line,
        "end_column": 28,
        "document": {"index": 0, "kind": "Cluster", "name": "example.net"},
        "field": "spec.kubernetesVersion",
        "related": [],
        "fix": None,
        "url": "https://calico-lint.readthedocs.io/rules/KV301/",
    }


def test_json_names_the_inferred_range_of_each_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["good.yaml", "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    assert report["kops"] is None
    assert report["files"] == [{"path": "good.yaml", "documents": 1, "kops": {"range": "1.30-1.35"}}]


def test_standard_input(here: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "calico_lint", "-", "--kops-version", "1.30", "--stdin-filename", "c.yaml"],
        input=BAD.encode(),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1
    assert b"c.yaml:" in result.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_report_that_cannot_be_written_is_a_failure(here: Path) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "calico_lint", "good.yaml", "--kops-version", "1.30"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode == 2
    assert b"could not be written: No space left" in result.stderr


def test_a_reader_that_goes_away_is_no_failure(here: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m calico_lint --list-rules | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_an_unreadable_file_does_not_hide_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("missing.yaml", "bad.yaml") == 2
    captured = capsys.readouterr()
    assert "missing.yaml: No such file or directory" in captured.err
    assert "error[KV301]" in captured.out


def test_hidden_folders_links_and_twins_are_read_at_most_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".hidden").mkdir()
    (here / ".hidden" / "bad.yaml").write_text(BAD)
    (here / "folder" / "loop").symlink_to(here, target_is_directory=True)
    (here / "folder" / "same.yaml").symlink_to(here / "bad.yaml")
    run(".", "bad.yaml", "--format", "json")
    report = json.loads(capsys.readouterr().out)
    assert [finding["path"] for finding in report["findings"] if finding["rule"] == "KV301"] == ["bad.yaml"]


def test_every_rule_is_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-rules"]) == 0
    ids = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert len(ids) == len(set(ids))
    assert {"KC102", "KE206", "KV304", "S9", "U001", "Y005"} <= set(ids)
    for rule in ids:
        assert main(["--explain", rule]) == 0
        assert f"# {rule} " in capsys.readouterr().out


# What a clean lint may not load (the start would cost three times as much), and what it needs anyway.
BANNED = {
    "jsonschema", "networkx", "numpy", "simpy", "rich", "importlib.metadata", "dataclasses", "asyncio", "typing",
    "difflib", "pathlib", "tomllib", "concurrent", "multiprocessing", "subprocess", "argparse", "gettext", "locale",
    "json", "importlib", "warnings",
}  # fmt: skip


def test_a_clean_lint_imports_nothing_slow(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(GOOD)
    code = (
        "import sys; from calico_lint.cli import main; "
        f"assert main([{str(spec)!r}, '--kops-version', '1.30']) == 0; "
        f"print(sorted(set(sys.modules) & {BANNED!r}), file=sys.stderr)"
    )
    # -S: site-packages' own start-up files may import whatever they like; the path is given instead.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    result = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.strip() == "[]"


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"calico-lint {__version__}\n"


def test_the_installed_command_reads_as_main_does(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(ROOT / "fixtures" / "specs" / "mistakes.yaml")
    code = main([path, "--no-cache"])
    command = [sys.executable, "-m", "calico_lint", path, "--no-cache"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    shown = capsys.readouterr()
    assert (result.returncode, result.stdout, result.stderr) == (code, shown.out, shown.err)


def test_patterns_of_pyyaml_wait_until_they_are_used() -> None:
    text = "- 2001-12-14\n- 1_000\n- 0x1f\n- 1.5e+3\n- 190:20:30\n- plain\n- !!binary aGk=\n- =x\n"
    code = (
        "import re, sys; from calico_lint.cli import import_yaml; import_yaml(); import yaml\n"
        "assert sys.modules['re'] is re and isinstance(re.compile('x'), re.Pattern)\n"
        "assert not isinstance(yaml.reader.Reader.NON_PRINTABLE, re.Pattern)\n"
        f"print([yaml.safe_load({text!r}), yaml.load({text!r}, yaml.CSafeLoader)])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str([yaml.safe_load(text), yaml.safe_load(text)])
