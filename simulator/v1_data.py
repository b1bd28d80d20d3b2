"""The Calico v1 data of a plan: how much calico-upgrade has to write, and whether it would stop at it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calico_lint.finding import Finding
    from calico_lint.yaml_source import Source

MIGRATION = "read and write the data"
"""What the plan's critical path calls the part of the block that grows with the data."""


@dataclass(frozen=True, slots=True)
class V1Data:
    """What was read: `resources` and `ipam` are objects that calico/upgrade v1.0.5 writes, by kind.

    `findings` are calico-lint's; `blocked` says why calico-upgrade stops, None if it does not. `whole_store` tells a
    dump or a live etcd from what calicoctl prints, which has no IPAM data.
    """

    paths: tuple[str, ...]
    resources: Mapping[str, int]
    ipam: Mapping[str, int]
    findings: tuple[Finding, ...]
    blocked: str | None
    whole_store: bool
    sources: Mapping[str, Source]

    @property
    def objects(self) -> tuple[int, int | None]:
        """(resources, IPAM entries) that are written; None: nobody has counted them."""
        return sum(self.resources.values()), sum(self.ipam.values()) if self.whole_store else None

    @property
    def pods_per_node(self) -> float | None:
        """Workload endpoints a node; None where there is no node, or none of them."""
        nodes, endpoints = self.resources.get("Node", 0), self.resources.get("WorkloadEndpoint", 0)
        return round(endpoints / nodes, 2) if nodes and endpoints else None

    @property
    def assumption(self) -> str:
        """What the plan rests on."""
        resources, ipam = self.objects
        entries = "" if ipam is None else f" and {ipam:,} IPAM entries"
        text = f"{resources:,} resources{entries} to migrate, as counted in {', '.join(self.paths)}"
        return f"{text}; IPAM entries are estimated: calicoctl prints none" if ipam is None else text

    def to_dict(self, critical_path: Sequence[tuple[str, float]]) -> dict[str, Any]:
        """The shape of the plan's JSON; the share is null where nothing was simulated."""
        return {
            "sources": list(self.paths),
            "whole_store": self.whole_store,
            "resources": dict(self.resources),
            "ipam": dict(self.ipam),
            "share_of_block": share_of(critical_path),
        }


def share_of(critical_path: Sequence[tuple[str, float]]) -> float | None:
    """The part of the block in which the data is read and written; None where nothing was simulated."""
    return round(dict(critical_path).get(MIGRATION, 0.0), 4) if critical_path else None


def read_v1_data(paths: Sequence[str]) -> V1Data:
    """Read and convert the data. Raises ValueError where a path or a store cannot be read, or holds none."""
    from calico_lint.v1data import convert
    from calico_lint.v1data.report import findings_of
    from calico_lint.v1data.sources import read

    unreadable: list[str] = []
    reading = read(paths, unreadable, environment=os.environ)
    if unreadable:
        raise ValueError("; ".join(unreadable))
    if not any(file.report.documents for file in reading.inputs):
        reasons = {f"{each.path}: {each.message}" for each in reading.findings}
        raise ValueError(f"--v1-data: {'; '.join(sorted(reasons)) or 'no Calico v1 data was found'}")
    for note in reading.notes:
        print(f"calico-sim: {note}", file=sys.stderr)
    conversion = convert(reading.objects, whole_store=reading.whole_store, keep=False)
    rules = [each.rule for each in conversion.problems]
    findings = findings_of(reading, conversion)
    # What is wrong with the files themselves: nobody knows what is missing then.
    rules += [each.rule for each in reading.findings if each.severity == "error"]
    rules += ["D003"] * bool(reading.v3_keys)
    blocked = None
    if rules:
        named = ", ".join(dict.fromkeys(rules))
        count = f"{len(rules)} error{'s' if len(rules) > 1 else ''}"
        blocked = f"the v1 data has {count} ({named}): calico-upgrade would stop before it changes anything"
    return V1Data(
        paths=tuple(file.path for file in reading.inputs if not file.report.skipped),
        resources=conversion.counts,
        ipam=conversion.ipam_counts,
        findings=tuple(sorted(findings, key=lambda each: each.sort_key())),
        blocked=blocked,
        whole_store=reading.whole_store,
        sources={file.path: file.shown for file in reading.inputs},
    )
