"""The dry run of 100,000 workload endpoints as users start it: from a dump, and from a real etcd.

From a dump: wall time and peak memory of the whole command. From etcd (skipped where there is none): against plain HTTP
reads of the same subtrees, one after the other on one connection, in interleaved rounds.
"""

from __future__ import annotations

import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from bench.bench_v1data import ENDPOINTS, store
from bench.pairing import ENVIRONMENT, interleaved

FROM_ETCD = 10_000
_READ = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
def get(path):
    connection.request("GET", "/v2/keys" + path + "?quorum=true&sorted=true")
    return json.loads(connection.getresponse().read())["node"].get("nodes", ())
def whole(path):
    connection.request("GET", "/v2/keys" + path + "?quorum=true&sorted=true&recursive=true")
    connection.getresponse().read()
for host in get("/calico/v1/host"):
    whole(host["key"])
whole("/calico/bgp/v1")
"""


def dump(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The recursive answer of the v2 API."""
    root: dict[str, Any] = {"key": "/calico", "dir": True, "nodes": []}
    known = {"/calico": root}

    def directory(path: str) -> dict[str, Any]:
        if path not in known:
            known[path] = {"key": path, "dir": True, "nodes": [], "modifiedIndex": 9, "createdIndex": 9}
            directory(path.rpartition("/")[0])["nodes"].append(known[path])
        return known[path]

    for key, value in pairs:
        node = {"key": key, "value": value, "modifiedIndex": 9, "createdIndex": 9}
        directory(key.rpartition("/")[0])["nodes"].append(node)
    return {"action": "get", "node": root}


def lint(path: str) -> list[str]:
    """The command."""
    return [str(Path(sys.executable).parent / "calico-lint"), "--isolated", "--v3-data", "none", "--v1-data", path]


def from_dump(folder: Path) -> None:
    """Print the row of a dump."""
    file = folder / "dump.json"
    file.write_text(json.dumps(dump((each.path, each.value) for each in store())))
    start = time.perf_counter()
    done = subprocess.Popen(lint(str(file)), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(done.pid, 0)
    seconds = time.perf_counter() - start
    done.returncode = os.waitstatus_to_exitcode(status)
    if done.returncode != 0:
        raise SystemExit(f"bench: the dry run exits with {done.returncode}")
    print(f"| a dump, {file.stat().st_size / 1e6:.0f} MB | {ENDPOINTS} | {seconds:.1f} | {_mb(usage):.0f} | |")


def _mb(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)


def from_etcd(folder: Path) -> None:
    """Print the row of a live store."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    command = [
        "etcd", "--enable-v2=true", "--data-dir", str(folder / "etcd"), "--listen-client-urls", client,
        "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"default={peer}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _fill(ports[0])
            commands = {
                "lint": lint(f"etcd://127.0.0.1:{ports[0]}"),
                "read": [sys.executable, "-c", _READ, str(ports[0])],
            }
            timings = interleaved(commands, 3)
        finally:
            server.terminate()
    lint_s, read_s = timings["lint"].median_s, timings["read"].median_s
    print(f"| a live etcd | {FROM_ETCD} | {lint_s:.1f} | | {lint_s / read_s:.2f} |")


def _fill(port: int) -> None:
    """Store the keys, many at a time: etcd writes each to its disk."""
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        if time.monotonic() > deadline:
            raise SystemExit("bench: etcd does not start")
        time.sleep(0.1)
    time.sleep(2)  # until it has elected itself

    def put(part: list[tuple[str, str]]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for key, value in part:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("PUT", f"/v2/keys{quote(key)}", urlencode({"value": value}), headers)
            if connection.getresponse().read()[:2] != b'{"':
                raise SystemExit("bench: etcd does not store")
        connection.close()

    pairs = [(each.path, each.value) for each in store(FROM_ETCD)]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(put, [pairs[start::32] for start in range(32)]))


def main() -> None:
    """Print the table."""
    print("Dry run of v1 data, the whole command\n")
    print("| from | endpoints | s | peak MB | × plain HTTP reads |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        from_dump(Path(name))
        if shutil.which("etcd") is None:
            print("| a live etcd | | | | no etcd on this machine |")
        else:
            from_etcd(Path(name))


if __name__ == "__main__":
    main()
