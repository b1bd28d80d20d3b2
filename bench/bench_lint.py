"""calico-lint: cold start against the bare interpreter, and many files against check-jsonschema and yamllint."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench.pairing import interleaved, peak_memory_mb, table
from calico_lint.kops.releases import NEWEST_MINOR
from calico_lint.schema import plain_schema

ROOT = Path(__file__).resolve().parent.parent
FILES = 500
GROUPS = 3_000


def write_specs(folder: Path, count: int) -> None:
    """Valid one-document Cluster specs of varying size, so that every tool reads exactly the same work."""
    for number in range(count):
        zones = [f"us-test-1{letter}" for letter in "abcdef"[: 1 + number % 6]]
        lines = [
            "apiVersion: kops.k8s.io/v1alpha2",
            "kind: Cluster",
            "metadata:",
            f"  name: c{number}.example.net",
            "spec:",
            "  api: {loadBalancer: {type: Public}}",
            "  authorization: {rbac: {}}",
            "  channel: stable",
            "  cloudProvider: aws",
            f"  configBase: s3://state/c{number}.example.net",
            "  etcdClusters:",
        ]
        for name in ("main", "events"):
            lines.append(f"  - name: {name}")
            lines.append("    etcdMembers:")
            members = zones if len(zones) % 2 else zones[:-1]
            lines += [f"    - {{name: {zone[-1]}, instanceGroup: control-plane-{zone}}}" for zone in members]
        lines += [
            "  iam: {allowContainerRegistry: true, legacy: false}",
            "  kubelet: {anonymousAuth: false}",
            f"  kubernetesVersion: 1.3{number % 5}.{number % 7}",
            "  networkCIDR: 10.30.0.0/16",
            "  networking:",
            "    calico:",
            f"      mtu: {1400 + number % 50}",
            f"      typhaReplicas: {number % 4}",
            "      encapsulationMode: vxlan",
            "  nonMasqueradeCIDR: 100.64.0.0/10",
            "  sshAccess:",
            "  - 0.0.0.0/0",
            "  subnets:",
        ]
        lines += [
            f"  - {{name: {zone}, zone: {zone}, cidr: 10.30.{32 * index}.0/19, type: Public}}"
            for index, zone in enumerate(zones)
        ]
        (folder / f"spec-{number:04}.yaml").write_text("\n".join(lines) + "\n")


def write_groups(path: Path, count: int) -> None:
    """One cluster with this many InstanceGroups, on each of which rules have something to say."""
    cluster, *_, group = (ROOT / "fixtures/specs/upgrade-old.yaml").read_text().split("---\n")
    group = group.replace(
        "role: Node", "role: Node\n  image: 099720109477/ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64"
    )
    groups = [group.replace("name: nodes", f"name: nodes-{number}") for number in range(count)]
    path.write_text("---\n".join([cluster, *groups]))


def main() -> None:
    """Print the tables."""
    bare = [sys.executable, "-c", "pass"]
    lint = [str(Path(sys.executable).parent / "calico-lint")]
    one = str(ROOT / "fixtures/specs/upgrade-old.yaml")
    cold = interleaved(
        {
            "python -c pass": bare,
            "calico-lint --no-cache, one file": [*lint, "--no-cache", one],
            "calico-lint, one file, cache hit": [*lint, one],
            "calico-lint --version": [*lint, "--version"],
        },
        rounds=25,
    )
    print("## Cold start\n")
    print(table(list(cold.items()), cold["python -c pass"]))
    peak = peak_memory_mb(f"from calico_lint.cli import main; main([{one!r}, '--no-cache'])")
    print(f"\nPeak memory: {peak:.1f} MB; the bare interpreter: {peak_memory_mb('pass'):.1f} MB.")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_specs(folder, FILES)
        schema = folder / "schema.json.txt"
        schema.write_text(json.dumps(plain_schema("Cluster", "v1alpha2", NEWEST_MINOR)))
        files = sorted(str(path) for path in folder.glob("*.yaml"))
        python = str(Path(sys.executable).parent)
        many = interleaved(
            {
                "calico-lint --no-cache": [*lint, "--no-cache", "--kops-version", "1.36", *files],
                "calico-lint, cache hit": [*lint, "--kops-version", "1.36", *files],
                "python -c pass": bare,
                "check-jsonschema": [f"{python}/check-jsonschema", "--schemafile", str(schema), *files],
                "yamllint": [f"{python}/yamllint", "-d", "relaxed", *files],
            },
            rounds=3,
        )
        print(f"\n## {FILES} one-document specs\n")
        print(table(list(many.items()), many["calico-lint --no-cache"]))

        few, most = f"{GROUPS // 10} InstanceGroups", f"{GROUPS} InstanceGroups"
        for groups, count in ((few, GROUPS // 10), (most, GROUPS)):
            write_groups(folder / f"{groups}.txt", count)
        large = interleaved(
            {name: [*lint, "--no-cache", str(folder / f"{name}.txt")] for name in (few, most)}, rounds=3
        )
        print("\n## One large file, a finding on every InstanceGroup\n")
        print(table(list(large.items()), large[few]))


if __name__ == "__main__":
    main()
