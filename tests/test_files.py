"""Which files a run reads: folders, .gitignore as git reads it, links, and what is no file at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from calico_lint.files import read_files
from calico_lint.patterns import Patterns

TREE = (
    "a.yaml",
    "b.yaml",
    "ab.yaml",
    "a/a.yaml",
    "a/b.yaml",
    "a/b/a.yaml",
    "a/b/ab/b.yaml",
    "b/a.yaml",
    "b/a/b/a.yaml",
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    for name in TREE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a: 1\n")
    return folder


def found(*paths: Path, **more: object) -> set[str]:
    unreadable: list[str] = []
    files = {file.path for file in read_files(map(str, paths), unreadable, **more)}  # type: ignore[arg-type]
    assert unreadable == []
    return files


def by_git(repository: Path) -> set[str]:
    command = ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name.endswith(".yaml")}


pieces = st.sampled_from([
    "a", "b", "ab", "*", "**", "?", "/", "/", ".yaml", "*.yaml", "[ab]", "[!a]", "[^b]", "[a-b]", "[[:alpha:]]", "[]a]",
    "\\a", "\\*", "[", " ", "\\ ", "\\", "!", "#", "[a-", "[z-a]", "[[:no:]]", "[\\a]", "[*]", "[a-b-]",
])  # fmt: skip
lines = st.builds(
    lambda negated, parts, folder: negated + "".join(parts) + folder,
    st.sampled_from(["", "", "!"]),
    st.lists(pieces, min_size=1, max_size=5),
    st.sampled_from(["", "", "/"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=st.lists(lines, max_size=4), below=st.lists(lines, max_size=3), excluded=st.lists(lines, max_size=1))
@example(top=["*.yaml", "!a.yaml"], below=["!b.yaml"], excluded=["ab"])
@example(top=["a/**/a.yaml", "**/ab"], below=["/b/"], excluded=[])
@example(top=["a/**"], below=[], excluded=["/b/a"])
@example(top=["**/"], below=[], excluded=[])
@example(top=["#a", "\\#a", "b.yaml  ", "a.yaml\\ "], below=[], excluded=[])
@example(top=["[a-[ab]", "!b"], below=["[b-a]"], excluded=[])
@example(top=["[a-b-c]", "[[:]b", "[[:alpha:]-c]b"], below=["[\\]a]"], excluded=["[]-a]b.yaml"])
@example(top=["b.yaml\r", "/"], below=["**b/a.yaml"], excluded=[])
def test_gitignore_is_read_as_git_reads_it(
    repository: Path, top: list[str], below: list[str], excluded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".gitignore").write_text("\n".join(top) + "\n", newline="")
    (repository / "a" / ".gitignore").write_text("\n".join(below) + "\n", newline="")
    (repository / ".git" / "info" / "exclude").write_text("\n".join(excluded) + "\n", newline="")
    with monkeypatch.context() as patch:
        patch.chdir(repository)
        wanted = by_git(repository)
        assert found(Path(".")) == wanted
        patch.chdir(repository / "a")
        # A folder that the user names is searched, even if git ignores it.
        if any(name.startswith("a/") for name in wanted):
            assert found(Path(".")) == {name[2:] for name in wanted if name.startswith("a/")}
        assert len(found(Path("."), gitignore=False)) == 4


@pytest.mark.parametrize(
    ("patterns", "path", "covered"),
    [
        (["old/"], "old/a.yaml", True),
        (["old/"], "new/old/deep/a.yaml", True),
        (["/old"], "new/old/a.yaml", False),
        (["*.yml"], "a.yaml", False),
        (["a*", "!a.yaml"], "a.yaml", False),
        (["x"], "../x", False),
    ],
)
def test_a_pattern_covers_what_lies_below_it(tmp_path: Path, patterns: list[str], path: str, covered: bool) -> None:
    assert (Patterns(patterns, str(tmp_path), "exclude").covers(str(tmp_path / path)) is not None) is covered


def test_excluded_files_are_left_out_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "old/b.yaml", ".hidden/c.yaml", "d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a: 1\n")
    exclude = Patterns(["old"], str(tmp_path), "--exclude")
    notes: list[tuple[str, str]] = []
    files = read_files([".", "old/b.yaml"], [], exclude=exclude, note=lambda *note: notes.append(note))
    assert [file.path for file in files] == ["a.yaml", "old/b.yaml"]  # named: the user insists
    assert notes == [("./.hidden", "hidden"), ("./old", "--exclude: old")]
    hook = read_files(["a.yaml", "old/b.yaml"], [], exclude=exclude, named=False)
    assert [file.path for file in hook] == ["a.yaml"]


def test_links_that_lead_nowhere_and_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "self").symlink_to(".", target_is_directory=True)
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "good.yaml").write_text("a: 1\n")
    unreadable: list[str] = []
    notes: list[tuple[str, str]] = []
    files = [file.path for file in read_files(["."], unreadable, note=lambda *note: notes.append(note))]
    assert files == ["good.yaml"]
    assert unreadable == [
        "./gone.yaml: No such file or directory",
        "./loop.yaml: Too many levels of symbolic links",
    ]
    assert notes == [("./pipe.yaml", "no regular file"), ("./self", "a link to a folder")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    (tmp_path / "a.yaml").chmod(0)
    unreadable: list[str] = []
    assert len(list(read_files([str(tmp_path)], unreadable))) == 1
    assert unreadable == [f"{tmp_path}/a.yaml: Permission denied"]


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="there is no /proc here")
def test_a_read_that_fails_is_said() -> None:
    unreadable: list[str] = []
    assert list(read_files(["/proc/self/mem"], unreadable)) == []
    assert unreadable == ["/proc/self/mem: Input/output error"]
