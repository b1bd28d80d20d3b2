"""A real etcd with the v2 API on a free port of the loopback, and one that is played for what a real one never says."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

needs_etcd = pytest.mark.skipif(
    shutil.which("etcd") is None, reason="no etcd on this machine (Debian: apt-get install etcd-server)"
)
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def etcd_server(folder: Path, *, tls: dict[str, Path] | None = None, v2: bool = True) -> Iterator[str]:
    """The address `127.0.0.1:PORT` of an etcd that runs meanwhile; with the certificates in `tls` on HTTPS."""
    client, peer = free_port(), free_port()
    scheme = "https" if tls else "http"
    command = [
        "etcd", "--data-dir", str(folder / "data"), f"--enable-v2={'true' if v2 else 'false'}", "--unsafe-no-fsync",
        "--listen-client-urls", f"{scheme}://127.0.0.1:{client}",
        "--advertise-client-urls", f"{scheme}://127.0.0.1:{client}",
        "--listen-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
        "--initial-cluster", f"default=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    if tls:
        command += ["--cert-file", str(tls["cert"]), "--key-file", str(tls["key"])]
        command += ["--trusted-ca-file", str(tls["ca"]), "--client-cert-auth"]
    usage = subprocess.run(["etcd", "--help"], capture_output=True, text=True, check=False)
    if "--unsafe-no-fsync" not in usage.stdout + usage.stderr:
        command.remove("--unsafe-no-fsync")
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            deadline = time.monotonic() + 20
            while True:
                assert server.poll() is None, (folder / "log").read_text(errors="replace")[-2000:]
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", client)) == 0 and b"ready to serve" in (
                        (folder / "log").read_bytes()
                    ):
                        break
                assert time.monotonic() < deadline, "etcd does not start"
                time.sleep(0.05)
            yield f"127.0.0.1:{client}"
        finally:
            server.terminate()


def put(address: str, key: str, value: str | None) -> None:
    """Store a key (None: make an empty directory), as Calico v2 would: nothing in the product can."""
    data = {"dir": "true"} if value is None else {"value": value}
    request = urllib.request.Request(
        f"http://{address}/v2/keys{quote(key)}", data=urlencode(data).encode(), method="PUT"
    )
    with urllib.request.urlopen(request) as answer:
        answer.read()


def put_v3(address: str, key: str, value: str) -> None:
    """Store a key in the v3 store."""
    from base64 import b64encode

    body = {"key": b64encode(key.encode()).decode(), "value": b64encode(value.encode()).decode()}
    request = urllib.request.Request(f"http://{address}/v3/kv/put", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        answer.read()


def dump(address: str, key: str = "/calico") -> bytes:
    """The recursive answer of the v2 API."""
    with urllib.request.urlopen(f"http://{address}/v2/keys{key}?recursive=true&quorum=true") as answer:
        data: bytes = answer.read()
        return data


@contextmanager
def played(
    answer: Callable[[str, str], tuple[int, Any]],
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A server that says what `answer(method, path)` returns (status, JSON or bytes), and what it was asked so far."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # an answer in one packet

        def _reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path))
            status, body = answer(self.command, self.path)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _reply  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
