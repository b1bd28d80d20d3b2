"""The schemas that `--print-schema` writes, in the language server that editors run: yaml-language-server, on stdio.

`make language-server` installs it below build/; YAML_LANGUAGE_SERVER names another one.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calico_lint.cli import main
from tests.helpers import ROOT, spec_text

SERVER = Path(
    os.environ.get("YAML_LANGUAGE_SERVER")
    or ROOT / "build" / "language-server" / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
)
NODE = shutil.which("node")
WAIT = 60  # seconds; it may have to start on a loaded machine

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="there is no node here"),
    pytest.mark.skipif(not SERVER.exists(), reason="yaml-language-server is not installed: make language-server"),
]


class Client:
    """As much of an editor as it takes: the base protocol, configuration, open documents."""

    def __init__(self, folder: Path) -> None:
        assert NODE is not None
        self.folder = folder
        self.process = subprocess.Popen(
            [NODE, str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.number = 0
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        capabilities = {
            "textDocument": {"completion": {}, "publishDiagnostics": {}, "hover": {}},
            "workspace": {"configuration": True},
        }
        self.request("initialize", {"processId": os.getpid(), "rootUri": folder.as_uri(), "capabilities": capabilities})
        self.notify("initialized", {})

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self.answers.put(json.loads(stream.read(length)))

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.process.stdin.flush()

    def notify(self, method: str, parameters: dict[str, Any]) -> None:
        self._send({"method": method, "params": parameters})

    def request(self, method: str, parameters: dict[str, Any]) -> Any:
        """The result of a request."""
        self.number += 1
        self._send({"id": self.number, "method": method, "params": parameters})
        while True:
            message = self._next()
            if message.get("id") == self.number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """The next that are published for a document."""
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found

    def _next(self) -> dict[str, Any]:
        message = self.answers.get(timeout=WAIT)
        if message.get("method") == "workspace/configuration":
            # No catalogue from the network: the document names its schema.
            yaml = {"schemaStore": {"enable": False}, "validate": True, "completion": True, "hover": True}
            values = {"yaml": yaml, "http": {}, "[yaml]": {}, "editor": {}, "files": {}}
            items = message["params"]["items"]
            self._send({"id": message["id"], "result": [values.get(item["section"]) for item in items]})
        elif "id" in message and "method" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def open(self, name: str, text: str) -> str:
        """Open a document; its URI."""
        uri = (self.folder / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return uri

    def close(self) -> None:
        self.process.kill()
        self.thread.join()
        self.process.communicate()


@pytest.fixture
def client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Client]:
    for kind in ("cluster", "instancegroup"):
        assert main(["--print-schema", kind, "--kops-version", "1.30.4"]) == 0
        (tmp_path / f"{kind}.json").write_text(capsys.readouterr().out)
    client = Client(tmp_path)
    try:
        yield client
    finally:
        client.close()


def modeline(client: Client, kind: str) -> str:
    return f"# yaml-language-server: $schema={(client.folder / f'{kind}.json').as_uri()}\n"


def place(text: str, after: str) -> dict[str, int]:
    """Line and character right behind a text, from 0."""
    before = text[: text.index(after) + len(after)]
    return {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}


def test_completion_and_diagnostics_of_a_spec(client: Client) -> None:
    head = modeline(client, "cluster")
    good = client.open("good.yaml", head + spec_text(None, "1.30"))
    assert client.diagnostics(good) == []

    text = head + spec_text({"networking": {"calico": {"bpfEnabld": True, "mtu": "many"}}}, "1.30")
    found = client.diagnostics(client.open("bad.yaml", text))
    assert {each["range"]["start"]["line"] for each in found} == {
        place(text, "bpfEnabld")["line"],
        place(text, "mtu")["line"],
    }
    assert any("bpfEnabld" in each["message"] for each in found)

    text = head + spec_text({"networking": {"calico": {"encapsulationMode": "ipip", "m": 1}}}, "1.30")
    uri = client.open("more.yaml", text)
    document = {"uri": uri}

    def complete(after: str) -> set[str]:
        parameters = {"textDocument": document, "position": place(text, after)}
        result = client.request("textDocument/completion", parameters)
        return {item["label"] for item in (result["items"] if isinstance(result, dict) else result)}

    assert {"mtu", "majorVersion"} <= complete("      m")
    assert {"ipip", "vxlan"} <= complete("encapsulationMode: ")


def test_an_instance_group(client: Client) -> None:
    text = modeline(client, "instancegroup") + (
        "apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nmetadata: {name: nodes}\nspec:\n  rol: Node\n"
    )
    (found,) = client.diagnostics(client.open("group.yaml", text))
    assert "rol" in found["message"]
    assert found["range"]["start"] == {"line": 5, "character": 2}
