"""The result cache: a hit says what a run would say, and whatever is wrong with the cache does no harm."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calico_lint import cache as cache_module
from calico_lint.cache import Cache
from calico_lint.cli import main
from calico_lint.files import File
from tests.helpers import ROOT, spec_text

BAD = spec_text("kubernetesVersion: latest", "1.30")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALICO_LINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(BAD)
    return tmp_path / "cache"


def lint(*arguments: str) -> int:
    return main(["spec.yaml", "--kops-version", "1.30.4", *arguments])


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def refuse_to_lint(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("this run should have been answered from the cache")

    monkeypatch.setattr("calico_lint.linter.lint", fail)


def test_the_second_run_is_answered_from_the_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lint() == 1
    first = capsys.readouterr()
    refuse_to_lint(monkeypatch)
    assert lint() == 1
    assert capsys.readouterr() == first


@pytest.mark.parametrize(
    "other",
    [
        ["--format", "json"],
        ["--ignore", "KV301"],
        ["--exit-zero"],
        ["--fail-on", "info"],
        ["--color", "always"],
        ["--kops-version", "1.29.1"],
        ["--quiet"],
        ["--from", "spec.yaml"],
        ["--only-kops"],
    ],
)
def test_other_options_are_another_entry(folder: Path, other: list[str]) -> None:
    lint()
    lint(*other)
    assert len(entries(folder)) == 2


def test_other_bytes_and_other_names_are_another_entry(folder: Path) -> None:
    lint()
    Path("spec.yaml").write_text(BAD + "# a comment\n")
    lint()
    main(["./folder/../spec.yaml", "--kops-version", "1.30.4"])
    Path("other.yaml").write_text(BAD)
    main(["other.yaml", "--kops-version", "1.30.4"])
    assert len(entries(folder)) == 3


def test_another_calico_lint_is_another_entry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lint()
    monkeypatch.setattr(cache_module, "__version__", "0.0.0")
    lint()
    monkeypatch.setattr(cache_module, "_fingerprint", lambda: "edited")
    lint()
    assert len(entries(folder)) == 3


@pytest.mark.parametrize("arguments", [["--no-cache"], ["--schema", "schema.json"], ["missing.yaml"]])
def test_some_runs_are_not_kept(folder: Path, arguments: list[str]) -> None:
    Path("schema.json").write_text("{}")
    lint(*arguments)
    assert entries(folder) == []


def test_only_the_user_may_read_an_entry(folder: Path) -> None:
    lint()
    (entry,) = entries(folder)
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"x", b"calico-lint result 1\n", b"calico-lint result 1\n" + b"\0" * 60])
def test_a_damaged_entry_is_written_anew(folder: Path, damage: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    lint()
    expected = capsys.readouterr().out
    (entry,) = entries(folder)
    good = entry.read_bytes()
    entry.write_bytes(damage)
    assert lint() == 1
    assert capsys.readouterr().out == expected
    assert entry.read_bytes() == good


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code=st.integers(0, 3), out=st.text(), err=st.text(), cut=st.integers(0, 60), flip=st.integers(0, 255))
def test_entries_come_back_whole_or_not_at_all(
    folder: Path, code: int, out: str, err: str, cut: int, flip: int
) -> None:
    entry = Cache("settings", [File("a", b"x", named=True, role="new")])
    entry.put((code, out, err))
    assert entry.get() == (code, out, err)
    path = entries(folder)[0]
    data = bytearray(path.read_bytes())
    data[cut % len(data)] ^= flip
    path.write_bytes(data)
    assert entry.get() == ((code, out, err) if not flip else None)
    path.write_bytes(bytes(data[:-1]))
    assert entry.get() is None


def test_a_folder_that_cannot_be_written_does_no_harm(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CALICO_LINT_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert lint() == 1
    assert lint() == 1


def test_old_entries_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_MOST_ENTRIES", 10)
    for number in range(11):
        Cache(str(number), []).put((0, "", ""))
    assert len(entries(folder)) == 6
    assert Cache("10", []).get() == (0, "", "")


def test_a_hit_loads_no_parser_and_no_rule(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    code = (
        "import sys; from calico_lint.cli import main; main(['spec.yaml', '--kops-version', '1.30.4']); "
        "print(sorted(name for name in ('yaml', 'json', 'hashlib', 're', 'argparse', 'calico_lint.linter', "
        "'calico_lint.rules') if name in sys.modules), file=sys.stderr)"
    )
    runs = [
        subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment, check=True)
        for _ in range(2)
    ]
    assert runs[1].stderr.strip() == "[]"
    assert runs[0].stdout == runs[1].stdout
