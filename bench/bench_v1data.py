"""100,000 workload endpoints as they stand in an etcd v2 store, and their conversion to v3.

The wall time of the conversion alone, of one that only counts, and the memory of the process that has the store and
the result. The texts are decoded within the conversion, as those of a dump are.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator

from calico_lint.v1data import UPGRADES, V1Object, convert

ENDPOINTS = 100_000
PER_NODE = 100


def store(endpoints: int = ENDPOINTS) -> Iterator[V1Object]:
    """The keys of a cluster with this many pods: nodes, pools, policies, blocks and the endpoints."""
    yield V1Object("/calico/v1/config/CalicoVersion", "v2.6.12")
    yield V1Object("/calico/v1/Ready", "true")
    pool = {"cidr": "100.64.0.0/10", "ipip": "tunl0", "ipip_mode": "cross-subnet", "masquerade": True}
    yield V1Object("/calico/v1/ipam/v4/pool/100.64.0.0-10", json.dumps(pool))
    for index in range(endpoints // PER_NODE):
        name = f"ip-10-0-{index // 250}-{index % 250}.eu-west-1.compute.internal"
        yield V1Object(f"/calico/v1/host/{name}/metadata", "{}")
        yield V1Object(f"/calico/bgp/v1/host/{name}/ip_addr_v4", f"10.0.{index // 250}.{index % 250}")
    for number in range(endpoints):
        node = number // PER_NODE
        host = f"ip-10-0-{node // 250}-{node % 250}.eu-west-1.compute.internal"
        team, app = number % 50, number % 400
        value = {
            "state": "active",
            "name": f"cali{number:011x}",
            "active_instance_id": f"{number:064x}",
            "mac": "ca:fe:1d:52:bb:e9",
            "profile_ids": [f"k8s_ns.team-{team}"],
            "ipv4_nets": [f"100.{64 + number // 65536}.{number // 256 % 256}.{number % 256}/32"],
            "ipv6_nets": [],
            "labels": {
                "app": f"app-{app}",
                "pod-template-hash": str(1_000_000_000 + number % 3000),
                "calico/k8s_ns": f"team-{team}",
            },
        }
        path = f"/calico/v1/host/{host}/workload/k8s/team-{team}.app-{app}-{number:06x}/endpoint/eth0"
        yield V1Object(path, json.dumps(value))


def peak_mb() -> float:
    """The most memory that the process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)


def main() -> None:
    """Print the table."""
    objects = list(store())
    print(f"Conversion of v1 data, {ENDPOINTS} workload endpoints ({len(objects)} keys)\n")
    print("| conversion | s | µs an endpoint | peak MB |")
    print("|---|---:|---:|---:|")
    for upgrade, keep in (*((upgrade, False) for upgrade in UPGRADES), *((upgrade, True) for upgrade in UPGRADES)):
        start = time.perf_counter()
        conversion = convert(objects, upgrade, keep=keep)
        seconds = time.perf_counter() - start
        if not conversion.ok or conversion.counts["WorkloadEndpoint"] != ENDPOINTS:
            raise SystemExit(f"bench: the conversion fails: {conversion.problems[:3]}")
        label = f"{upgrade}{'' if keep else ', counts only'}"
        print(f"| {label} | {seconds:.2f} | {seconds / ENDPOINTS * 1e6:.1f} | {peak_mb():.0f} |")
        del conversion


if __name__ == "__main__":
    main()
