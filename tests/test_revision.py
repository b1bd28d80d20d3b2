"""`--from-git`: the same paths at a revision of a repository that the test makes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from calico_lint.cli import main
from tests.helpers import spec_text

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="the git program is not on this machine")

OLD = spec_text("kubernetesVersion: 1.28.9", "1.30")
NEW = spec_text("kubernetesVersion: 1.30.2", "1.30")  # one minor is skipped: P716


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.net", "-c", "init.defaultBranch=main", *arguments],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree whose first commit, tagged `before`, holds the old specs; the new ones lie in the work tree."""
    monkeypatch.setenv("CALICO_LINT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    root = tmp_path / "work tree"
    (root / "clusters" / "[ä]").mkdir(parents=True)
    git(root, "init")
    places = ("cluster.yaml", "clusters/a.yaml", "clusters/[ä]/b.yaml")
    for place, name in zip(places, ("example.net", "a.example.net", "b.example.net"), strict=True):
        (root / place).write_text(spec_text("kubernetesVersion: 1.28.9", "1.30", name=name))
    (root / "clusters" / "notes.yaml").write_text("no: spec\n")
    git(root, "add", ".")
    git(root, "commit", "-m", "before")
    git(root, "tag", "before")
    for place, name in zip(places, ("example.net", "a.example.net", "b.example.net"), strict=True):
        (root / place).write_text(spec_text("kubernetesVersion: 1.30.2", "1.30", name=name))
    monkeypatch.chdir(root)
    return root


def pair_findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str, list[str]]]:
    main([*arguments, "--format", "json", "--kops-version", "1.30.4", "--select", "P", "--no-cache"])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return [
        (finding["rule"], finding["path"], [place["path"] for place in finding["related"]])
        for finding in report["findings"]
    ]


def test_a_file_is_compared_with_itself_at_the_revision(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pair_findings(capsys, "cluster.yaml", "--from-git", "before") == [
        ("P716", "cluster.yaml", ["cluster.yaml@before"])
    ]


@pytest.mark.parametrize("revision", ["before", "HEAD", "main", "HEAD^{commit}", "@", "before^{}"])
def test_every_name_of_a_revision_is_one(repository: Path, capsys: pytest.CaptureFixture[str], revision: str) -> None:
    assert [finding[0] for finding in pair_findings(capsys, "cluster.yaml", "--from-git", revision)] == ["P716"]


def test_a_folder_is_searched_as_it_was(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {
        ("P716", "clusters/a.yaml", "clusters/a.yaml@before"),
        ("P716", "clusters/[ä]/b.yaml", "clusters/[ä]/b.yaml@before"),
    }
    for options in ((), ("--jobs", "2")):
        found = pair_findings(capsys, "clusters", "--from-git", "before", *options)
        assert {(rule, path, *related) for rule, path, related in found} == expected
    (repository / "clusters" / "a.yaml").rename(repository / "clusters" / "moved.yaml")
    found = pair_findings(capsys, "clusters", "--from-git", "before")
    assert {path for _, path, _ in found} == {"clusters/moved.yaml", "clusters/[ä]/b.yaml"}


def test_the_whole_repository_and_a_path_from_elsewhere(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(pair_findings(capsys, ".", "--from-git", "before")) == 3
    monkeypatch.chdir(repository / "clusters")
    assert pair_findings(capsys, "../cluster.yaml", "--from-git", "before") == [
        ("P716", "../cluster.yaml", ["../cluster.yaml@before"])
    ]
    monkeypatch.chdir(repository.parent)
    assert len(pair_findings(capsys, str(repository / "clusters"), "--from-git", "before")) == 2


def test_a_path_through_a_link_is_found_where_it_leads(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository.parent / "link").symlink_to(repository / "clusters")
    assert len(pair_findings(capsys, "../link/a.yaml", "--from-git", "before")) == 1


def test_standard_input_has_the_place_of_its_name(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        buffer = io.BytesIO((repository / "cluster.yaml").read_bytes())

    monkeypatch.setattr("sys.stdin", Stdin)
    found = pair_findings(capsys, "-", "--stdin-filename", "cluster.yaml", "--from-git", "before")
    assert found == [("P716", "cluster.yaml", ["cluster.yaml@before"])]


def test_clusters_of_one_name_are_paired_by_their_file(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, version in (("clusters/a.yaml", "1.29.4"), ("clusters/[ä]/b.yaml", "1.28.9")):
        (repository / place).write_text(spec_text(f"kubernetesVersion: {version}", "1.30"))
    git(repository, "commit", "-am", "one name")
    for place in ("clusters/a.yaml", "clusters/[ä]/b.yaml"):
        (repository / place).write_text(NEW)
    found = pair_findings(capsys, "clusters", "--from-git", "HEAD")
    assert [(rule, path) for rule, path, _ in found] == [("P716", "clusters/[ä]/b.yaml")]
    # two folders without git: nobody can say which is which
    shutil.copytree(repository / "clusters", repository / "old")
    assert {rule for rule, _, _ in pair_findings(capsys, "clusters", "--from", "old")} == {"P700"}


def test_a_folder_can_be_the_old_side_without_git(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "worktree", "add", "../old", "before"], cwd=repository, check=True, capture_output=True)
    found = pair_findings(capsys, "clusters", "--from", "../old")
    assert {(rule, path) for rule, path, _ in found} == {("P716", "clusters/a.yaml"), ("P716", "clusters/[ä]/b.yaml")}
    # a linked work tree is one of the same repository
    (repository.parent / "old" / "cluster.yaml").write_text(NEW)
    assert len(pair_findings(capsys, "../old/cluster.yaml", "--from-git", "HEAD")) == 1


def test_a_hook_may_run_it(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git tells hooks of its own repository, which need not be that of the file."""
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert len(pair_findings(capsys, "clusters/a.yaml", "--from-git", "before")) == 1


def test_the_cache_knows_the_revision_and_its_bytes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(revision: str) -> str:
        main(["cluster.yaml", "--from-git", revision, "--kops-version", "1.30.4", "--select", "P"])
        return capsys.readouterr().out

    first = run("HEAD")
    assert "P716" in first
    assert run("HEAD") == first
    git(repository, "commit", "-am", "after")
    assert "P716" not in run("HEAD")
    assert "P716" in run("HEAD~1")


def test_nothing_is_written(repository: Path) -> None:
    def state() -> dict[str, float]:
        return {str(path): path.stat().st_mtime_ns for path in repository.rglob("*")}

    before = state()
    main(["clusters", "--from-git", "before", "--no-cache"])
    assert state() == before


ERRORS = [
    (["cluster.yaml", "--from-git", "nowhere"], "'nowhere' is no revision"),
    (["cluster.yaml", "--from-git", ""], "'' is no revision"),
    (["cluster.yaml", "--from-git=--help"], "'--help' is no revision"),
    (["cluster.yaml", "--from-git", "before:cluster.yaml"], "is no revision"),
    (["new.yaml", "--from-git", "before"], "new.yaml is not in before"),
    (["empty", "--from-git", "before"], "has no YAML or JSON file below empty"),
    (["../outside.yaml", "--from-git", "before"], "../outside.yaml lies in no work tree of a git repository"),
    ([".git/config.yaml", "--from-git", "before"], "lies in no work tree of a git repository"),
    (["cluster.yaml", "--from-git", "before", "--from", "clusters"], "not together with --from"),
    (["-", "--from-git", "before"], "give --stdin-filename"),
    (["gone/x.yaml", "--from-git", "before"], "there is no folder gone"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), ERRORS)
def test_what_cannot_be_had_is_a_clear_error(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str],
    message: str,
) -> None:  # fmt: skip
    class Stdin:
        buffer = io.BytesIO((repository / "cluster.yaml").read_bytes())

    monkeypatch.setattr("sys.stdin", Stdin)
    for place in ("new.yaml", "../outside.yaml", ".git/config.yaml"):
        (repository / place).write_text(NEW)
    (repository / "empty").mkdir()
    (repository / "empty" / "x.yaml").write_text(NEW)
    assert main([*arguments, "--kops-version", "1.30.4"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_git_that_is_missing_is_a_clear_error(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert main(["cluster.yaml", "--from-git", "before"]) == 2
    assert "the git program could not be run" in capsys.readouterr().err


def test_a_damaged_repository_is_a_clear_error(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (repository / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    assert main(["cluster.yaml", "--from-git", "before"]) == 2
    assert "--from-git" in capsys.readouterr().err
