"""Several processes give what one gives, byte for byte, wherever files that belong together are read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.files import File
from calico_lint.linter import Input, LintResult, Unit, join_groups, joins, lint, offers
from calico_lint.parallel import _bounds, _Job, processes
from calico_lint.yaml_source import Source
from tests.helpers import ROOT, spec_text

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def group(name: str, cluster: str, field: str = "role") -> str:
    return (
        f"apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata:\n  name: {name}\n"
        f"  labels: {{kops.k8s.io/cluster: {cluster}}}\nspec:\n  {field}: Node\n  subnets: [z1]\n"
    )


FILES = {
    "a-groups.yaml": group("n1", "two", "rol") + "---\n" + group("n2", "one") + "---\n" + group("n3", "two"),
    "b.yaml": spec_text(None, "1.30").replace("example.net", "one"),
    "c-template.yaml": "a: {{ .x }}\n",
    "d.yaml": "# calico-lint: ignore-file[KV301] why\n"
    + spec_text({"kubernetesVersion": "latest"}).replace("example.net", "two"),
    "e-broken.yaml": "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\na: [\n",
    "f-twin.yaml": spec_text({"kubernetesVersion": "x"}).replace("example.net", "twin"),
    "g-twin.yaml": spec_text(None).replace("example.net", "twin"),
    "h-groups.yaml": group("n4", "twin", "rol") + "---\n" + group("n5", "nobody") + "---\n" + group("n6", "one", "rol"),
    "i.yaml": "a: 1\n",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(here: Path, *arguments: str, kops: str | None = "1.30.4") -> tuple[int, bytes, bytes]:
    """In a process of its own: forking a test process that has threads is not what the program does."""
    command = [sys.executable, "-m", "calico_lint", ".", "--no-cache", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"KOPS_VERSION": kops} if kops else {})}
    result = subprocess.run(command, cwd=here, env=environment, capture_output=True, check=False)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("arguments", "kops"),
    [
        (["--format", "json"], "1.30.4"),
        (["--format", "sarif"], None),
        (["--select", "KV300,U"], "1.99"),
    ],
)
def test_any_number_of_processes_says_the_same(here: Path, arguments: list[str], kops: str | None) -> None:
    wanted = run(here, *arguments, "--jobs", "1", kops=kops)
    assert wanted[0] == 1
    assert wanted[1]
    for jobs in ("2", "9"):
        assert run(here, *arguments, "--jobs", jobs, kops=kops) == wanted


def test_nobody_else_does_the_work_of_a_process_that_fails(here: Path) -> None:
    wanted = run(here, "--jobs", "1")
    code = (
        "import sys, os\n"
        "from calico_lint import parallel\n"
        "def fail(*_): raise MemoryError\n"
        "parallel._work = fail\n"
        "from calico_lint.cli import main\n"
        "sys.exit(main(['.', '--no-cache', '--jobs', '2', '--kops-version', '1.30.4']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stdout) == wanted[:2]


def test_few_files_are_one_process() -> None:
    assert processes(0, 500) in (1, 2)
    assert processes(4, 3) == 3
    assert processes(1, 500) == 1


@given(sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=40), count=st.integers(1, 12))
def test_stretches_cover_every_file_once(sizes: list[int], count: int) -> None:
    files = [File(str(number), b"x" * size, named=True, role="new") for number, size in enumerate(sizes)]
    bounds = _bounds(files, min(count, len(files)))
    assert [number for first, last in bounds for number in range(first, last)] == list(range(len(files)))
    assert len(bounds) == min(count, len(files))
    assert all(first < last for first, last in bounds)


parts = st.one_of(
    st.sampled_from(["one", "two"]).map(lambda name: spec_text({"mtu": 1}, "1.30").replace("example.net", name)),
    st.builds(group, st.just("n"), st.sampled_from(["one", "two", "three"]), st.sampled_from(["role", "rol"])),
    st.just("a: {{ .x }}\n"),
)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.lists(parts, min_size=1, max_size=2).map("---\n".join), max_size=6), cut=st.integers(0, 6))
def test_groups_find_their_cluster_across_any_cut(texts: list[str], cut: int) -> None:
    files = [File(f"{number}.yaml", text.encode(), named=False, role="new") for number, text in enumerate(texts)]
    job = _Job(files, [None] * len(files), None, 10**6)
    offered: list[Any] = []
    whole = lint(job.inputs(0, len(files)), join=lambda units: (offered.extend(offers(units)), join_groups(units))[1])
    found = joins(offered)

    def stretch(first: int, last: int) -> LintResult:
        def join(units: list[Unit]) -> None:
            for unit in units:
                unit.number += first
            job.join(units, found)

        return lint(job.inputs(first, last), join=join)

    halves = [stretch(0, min(cut, len(files))), stretch(min(cut, len(files)), len(files))]
    findings = [repr(finding) for half in halves for finding in half.findings]
    assert sorted(findings) == sorted(map(repr, whole.findings))
    assert [report.documents for half in halves for report in half.files] == [each.documents for each in whole.files]
    assert [len(cluster.groups) for half in halves for cluster, _ in half.clusters] == [
        len(cluster.groups) for cluster, _ in whole.clusters
    ]


def test_numbers_of_units_count_all_inputs() -> None:
    inputs = [Input(Source(name, text.encode()), named=False) for name, text in sorted(FILES.items())]
    seen: list[int] = []
    lint(inputs, join=lambda units: seen.extend(unit.number for unit in units))
    assert seen == [0, 1, 3, 4, 5, 6, 7]
