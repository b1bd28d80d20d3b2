"""What many tests need: base specs to merge a few lines into, and the shared test data where it exists."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from calico_lint.kops.releases import Releases, parse_release
from calico_lint.linter import Input, LintResult, lint
from calico_lint.yaml_source import Source

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data (../shared) is not on this machine")


def base_spec(kops: str | None) -> dict[str, Any]:
    """A Cluster that is right for the release: examples and cases change single lines of its spec."""
    minor = parse_release(kops or "1.30").first.minor
    return {
        "apiVersion": "kops/v1alpha2" if minor <= 14 else "kops.k8s.io/v1alpha2",
        "kind": "Cluster",
        "metadata": {"name": "example.net"},
        "spec": {
            "cloudProvider": "aws",
            "kubernetesVersion": f"1.{min(minor, 35)}.0",  # the Calico of kOps 1.36 was tested up to 1.35
            "networkCIDR": "10.30.0.0/16",
            "nonMasqueradeCIDR": "100.64.0.0/10",
            "subnets": [{"name": "z1", "zone": "us-test-1a", "cidr": "10.30.32.0/19", "type": "Public"}],
            "etcdClusters": [
                {"name": "main", "etcdMembers": [{"name": "a", "instanceGroup": "cp-a"}]},
                {"name": "events", "etcdMembers": [{"name": "a", "instanceGroup": "cp-a"}]},
            ],
            "networking": {"calico": {}},
        },
    }


def spec_text(lines: str | dict[str, Any] | None, kops: str | None = None, **metadata: str) -> str:
    """The base spec with top-level keys of its spec replaced; a key set to the text `<absent>` is removed.

    `apiVersion` among the lines replaces the document's. What follows a `---` are specs of InstanceGroups.
    """
    document = base_spec(kops)
    groups: list[Any] = []
    changes: Any = lines
    if isinstance(lines, str):
        changes, *groups = yaml.safe_load_all(lines) if lines.strip() else (None,)
    for key, value in (changes or {}).items():
        if key == "apiVersion":
            document["apiVersion"] = value
        elif value == "<absent>":
            document["spec"].pop(key, None)
        else:
            document["spec"][key] = value
    document["metadata"].update(metadata)
    documents = [document, *(_group(document, f"group-{number}", spec) for number, spec in enumerate(groups))]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _group(cluster: dict[str, Any], name: str, spec: dict[str, Any]) -> dict[str, Any]:
    labels = {"kops.k8s.io/cluster": cluster["metadata"]["name"]}
    return {
        "apiVersion": cluster["apiVersion"],
        "kind": "InstanceGroup",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def lint_text(text: str, kops: str | None = None, old: str | None = None, from_kops: str | None = None) -> LintResult:
    """Lint a whole file given as text; `kops` None infers the release."""
    return lint(
        [Input(Source("spec.yaml", text.encode()))],
        old=[Input(Source("old.yaml", old.encode()))] if old is not None else (),
        releases=_releases(kops),
        old_releases=_releases(from_kops),
    )


def lint_spec(
    lines: str | dict[str, Any] | None,
    kops: str | None = None,
    old: str | dict[str, Any] | None = None,
    from_kops: str | None = None,
    base: str | None = None,
) -> list[Any]:
    """The findings for the base spec with some lines changed; with `old`, as the new side of a pair.

    `base` is the release that the base spec is made for, where it is not `kops`.
    """
    old_text = spec_text(old, base or from_kops or kops) if old is not None else None
    return lint_text(spec_text(lines, base or kops), kops, old_text, from_kops).findings


def read_terminal(ours: int) -> bytes:
    """All that is written to the other side of a pseudo terminal; closes this one."""
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # so Linux says that the other side is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    return b"".join(pieces)


def _releases(kops: str | None) -> Releases | None:
    return parse_release(kops) if kops else None
