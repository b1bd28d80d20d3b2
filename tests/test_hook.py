"""The pre-commit hook and the GitHub action, as users install them: from the repository, and the light base only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from identify.identify import tags_from_filename

from tests.helpers import ROOT, spec_text
from tests.test_action import INSTALL, KV301, LINT, Runner

HOOK = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]


def git(*arguments: str, cwd: Path) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.net", "-c", "commit.gpgsign=false"]
    result = subprocess.run(["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return result.stdout


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("cluster.yaml", True),
        ("clusters/prod/kops.yml", True),
        ("cluster.json", True),
        ("README.md", False),
        ("main.tf", False),
    ],
)
def test_the_hook_looks_at_yaml_and_json(path: str, selected: bool) -> None:
    tags = tags_from_filename(path)
    assert bool(tags & set(HOOK["types_or"])) is selected
    assert re.search(HOOK.get("files", ""), path)


def package_index_answers() -> bool:
    """Whether pip can reach a package index here: the hook's environment is built from one."""
    command = [sys.executable, "-m", "pip", "index", "versions", "pyyaml", "--retries", "0", "--timeout", "5"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def hook_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as pre-commit clones it: what git tracks (or will, after the next commit), and nothing else."""
    folder = tmp_path_factory.mktemp("hook")
    tracked = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    if not any(tracked):
        pytest.skip("this is no git checkout: pre-commit installs hooks from one")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git("init", "--quiet", cwd=folder)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message", "the hook", cwd=folder)
    return folder


def test_the_hook_in_a_scratch_repository(hook_repository: Path, tmp_path: Path) -> None:
    if not package_index_answers():
        pytest.skip("no package index can be reached: pre-commit cannot build the hook's environment")
    user = tmp_path / "user"
    user.mkdir()
    git("init", "--quiet", cwd=user)
    revision = git("rev-parse", "HEAD", cwd=hook_repository).strip()
    config = {"repos": [{"repo": str(hook_repository), "rev": revision, "hooks": [{"id": "calico-lint"}]}]}
    (user / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (user / "values.yaml").write_text("a: 1\n")
    (user / "cluster.yaml").write_text(spec_text(None, "1.36"))
    git("add", "--all", cwd=user)
    environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "cache"), "KOPS_VERSION": "1.36.2"}

    def hook() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose"]
        return subprocess.run(command, cwd=user, env=environment, capture_output=True, text=True, check=False)

    clean = hook()
    assert clean.returncode == 0, clean.stdout + clean.stderr
    (user / "cluster.yaml").write_text(spec_text("kubernetesVersion: latest", "1.36"))
    git("add", "--all", cwd=user)
    broken = hook()
    assert broken.returncode == 1
    assert "error[KV301]" in broken.stdout
    (environment_folder,) = (tmp_path / "cache").glob("repo*/py_env*")
    assert_light_base(environment_folder)


def assert_light_base(environment: Path) -> None:
    """What an installation brings: the parser, the validator for `--schema`, the man page; nothing of the simulator."""
    installed = {path.name for path in environment.glob("lib/python*/site-packages/*")}
    assert "yaml" in installed
    assert not installed & {"numpy", "simpy", "networkx", "rich"}
    assert (environment / "share" / "man" / "man1" / "calico-lint.1").is_file()


def test_the_action_from_an_archive_of_the_repository(hook_repository: Path, tmp_path: Path) -> None:
    """A runner fetches an action as an archive: without .git."""
    if not package_index_answers():
        pytest.skip("no package index can be reached: the action cannot install calico-lint")
    archive, work = tmp_path / "action", tmp_path / "work"
    for folder in (archive, work):
        folder.mkdir()
    git("archive", "--output", str(tmp_path / "action.tar"), "HEAD", cwd=hook_repository)
    subprocess.run(["tar", "-xf", str(tmp_path / "action.tar"), "-C", str(archive)], check=True)
    (tmp_path / "temp").mkdir()
    runner = Runner(tmp_path / "temp", work, archive)
    code, out, _ = runner.run(INSTALL, python=sys.executable)
    assert code == 0, out
    (work / "cluster.yaml").write_text(spec_text("kubernetesVersion: latest", "1.36"))
    code, out, outputs = runner.run(LINT, **KV301)
    assert (code, outputs["exit-code"]) == (1, "1")
    assert out.startswith("::error file=cluster.yaml,")
    assert_light_base(tmp_path / "temp" / "calico-lint")
