"""`--statistics` and `--list-files`: what a run would say in short, and what it would read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calico_lint.cli import main
from tests.helpers import spec_text

BAD = spec_text({"kubernetesVersion": "latest", "subnet": [], "zone": 1}, "1.30")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KOPS_VERSION", "1.30.4")
    (tmp_path / "a.yaml").write_text(BAD)
    (tmp_path / "b.yaml").write_text(BAD.replace("latest", "latest # calico-lint: ignore[KV301] why"))
    return tmp_path


def test_counts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([".", "--statistics", "--select", "KV301,U"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "    4  U001   error    unknown-field",
        "    1  KV301  error    kubernetes-version-present (1 suppressed)",
        "5 errors in 2 files (2 documents checked), 1 suppressed by comments",
    ]
    main([".", "--statistics", "--select", "KV301,U", "--format", "json"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["rule"], row["findings"], row["suppressed"]) for row in rows] == [("U001", 4, 0), ("KV301", 1, 1)]


def test_nothing_to_count(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([".", "--statistics", "--select", "KC102"]) == 0
    assert capsys.readouterr().out == "no findings in 2 files (2 documents checked)\n"


def test_other_formats_have_no_statistics(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([".", "--statistics", "--format", "sarif"]) == 2
    assert "--statistics: as text or json, not as sarif" in capsys.readouterr().err


def test_list_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (
        ("values.yaml", "a: 1\n"),
        ("template.yaml", "{{ .x }}"),
        (".hidden.yaml", BAD),
        ("out/c.yaml", BAD),
        ("old/d.yaml", BAD),
        ("README.md", ""),
    ):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    (here / "link").symlink_to("old", target_is_directory=True)
    (here / "again.yaml").symlink_to("a.yaml")
    (here / ".gitignore").write_text("/out\n")
    assert main(["values.yaml", ".", "--list-files", "--exclude", "old/"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["values.yaml", "a.yaml", "b.yaml"]
    assert sorted(captured.err.splitlines()) == [
        "not checked: ./.hidden.yaml: hidden",
        "not checked: ./again.yaml: read already, under another name",
        "not checked: ./link: a link to a folder",
        "not checked: ./old: --exclude: old/",
        "not checked: ./out: .gitignore: /out",
        "not checked: ./values.yaml: read already, under another name",
        "not checked: template.yaml: a template: lint the rendered file",
    ]
    assert main([".", "--list-files", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    (here / "empty").mkdir()
    assert main(["empty", "--list-files"]) == 3
    assert main(["empty", "missing.yaml", "--list-files"]) == 2
