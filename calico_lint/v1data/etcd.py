"""Reading a live etcd: Calico's keys of the v2 store, and what is in the v3 store. Nothing is ever written.

The v2 store is read as calico-upgrade does it, with quorum reads, but subtree by subtree: the directory of nodes is
listed first, then each node, so that no answer is as large as the cluster. The v3 store is read through etcd's JSON
gateway.

Source: etcd Documentation/v2/api.md and dev-guide/api_grpc_gateway.md@v3.4; libcalico-go
lib/upgrade/migrator/clients/v1/etcdv2/etcdv2.go@9047dcb0 (time-out, quorum), lib/apis/v1/apiconfig.go and
lib/apiconfig/apiconfig.go@9047dcb0 (names in the environment).
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import ssl
import threading
import time
from urllib.parse import quote, unquote, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    Progress = Callable[[int, int], None]  # subtrees that were read, and in all

PORT = 2379
TIMEOUT = 30.0  # seconds without an answer: that of calico-upgrade's client
ATTEMPTS = 5  # of each request, over all endpoints
_FIRST_PAUSE = 0.2  # seconds before the second attempt; each further one waits twice as long
_CONNECTIONS = 4  # quorum reads wait for the disks of the members: together they wait less
_V3_PAGE = 1000  # keys an answer
_GATEWAYS = ("/v3", "/v3beta", "/v3alpha")  # etcd 3.4 and later, 3.3, 3.1 and 3.2
_ROOTS = ("/calico/v1", "/calico/bgp/v1", "/calico/ipam/v2")
_DIVIDED = ("/calico/v1", "/calico/v1/host")  # directories that are read child by child
V3_PREFIX = b"/calico/"
_V3_END = b"/calico0"
CLUSTER_INFORMATION = b"/calico/resources/v3/projectcalico.org/clusterinformations/default"

SCHEMES = {"etcd": "http", "http+etcd": "http", "https+etcd": "https", "http": "http", "https": "https"}


class EtcdError(Exception):
    """The store cannot be read; the message says which, why and what to do."""


def is_url(text: str) -> bool:
    """Whether `--v1-data` names a store and not a file."""
    scheme, colon, rest = text.partition(":")
    return bool(colon) and (scheme in SCHEMES and (rest.startswith("//") or (not rest and "etcd" in scheme)))


class Access:
    """How to reach an etcd: endpoints as (scheme, host, port), the files of certificates, user and password."""

    __slots__ = ("ca", "certificate", "endpoints", "key", "password", "username")

    def __init__(
        self,
        endpoints: Sequence[tuple[str, str, int]],
        *,
        ca: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self.endpoints = list(endpoints)
        self.ca = ca
        self.certificate = certificate
        self.key = key
        self.username = username
        self.password = password

    @property
    def name(self) -> str:
        """The URL of the first endpoint, without user and password: how reports call the store."""
        scheme, host, port = self.endpoints[0]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https+etcd' if scheme == 'https' else 'etcd'}://{shown}:{port}"


def access_v1(url: str, environment: Mapping[str, str], **files: str | None) -> Access:
    """Access to the v1 store. `etcd:` takes the endpoints from the environment, as calico-upgrade does.

    `files` are `ca`, `certificate` and `key` of the command line, which win over the environment. Raises EtcdError.
    """
    get = _environment(environment, "APIV1_")
    if url.rstrip("/") in ("etcd:", "https+etcd:", "http+etcd:"):
        url = get("ENDPOINTS") or _authority(get) or ""
        if not url:
            raise EtcdError("etcd: without a host takes it from APIV1_ETCD_ENDPOINTS, which is not set")
    return _access(url, get, files)


def access_v3(url: str | None, v1: Access, environment: Mapping[str, str], **files: str | None) -> Access:
    """Access to the v3 store: `url`, else ETCD_ENDPOINTS of the environment, else where the v1 store is."""
    get = _environment(environment, "")
    url = url or get("ENDPOINTS")
    return v1 if not url else _access(url, get, files)


def _environment(environment: Mapping[str, str], version: str) -> Callable[[str], str | None]:
    # kelseyhightower/envconfig asks for the name with the prefix first.
    def get(name: str) -> str | None:
        name = f"{version}ETCD_{name}"
        return environment.get(f"CALICO_{name}") or environment.get(name) or None

    return get


def _authority(get: Callable[[str], str | None]) -> str | None:
    authority = get("AUTHORITY")
    return f"{get('SCHEME') or 'http'}://{authority}" if authority else None


def _access(url: str, get: Callable[[str], str | None], files: Mapping[str, str | None]) -> Access:
    endpoints: list[tuple[str, str, int]] = []
    user: tuple[str | None, str | None] = (None, None)
    scheme = ""
    for part in url.split(","):
        part = part.strip()
        head, separator, rest = part.partition("://")
        scheme = head if separator else scheme
        if scheme not in SCHEMES:
            raise EtcdError(f"{part!r} is no URL of an etcd: write etcd://HOST:PORT or https+etcd://HOST:PORT")
        try:
            split = urlsplit(f"//{rest if separator else part}")
            host, port = split.hostname, split.port
        except ValueError as error:
            raise EtcdError(f"{part!r} is no URL of an etcd: {error}") from None
        if not host or not host.isprintable() or " " in host:
            raise EtcdError(f"{part!r} names no host: write etcd://HOST:PORT")
        if split.path not in ("", "/") or split.query or split.fragment:
            raise EtcdError(f"{part!r}: only the address of etcd is needed, nothing behind the port")
        if split.username:
            user = unquote(split.username), unquote(split.password or "")
        endpoints.append((SCHEMES[scheme], host, PORT if port is None else port))
    username, password = user if user[0] else (get("USERNAME"), get("PASSWORD"))
    return Access(
        endpoints,
        ca=files.get("ca") or get("CA_CERT_FILE"),
        certificate=files.get("certificate") or get("CERT_FILE"),
        key=files.get("key") or get("KEY_FILE"),
        username=username if username and password else None,  # calico-upgrade, too, wants both
        password=password if username else None,
    )


class Etcd:
    """A client that reads. It keeps a connection a thread, tries the endpoints in turn, and waits between attempts."""

    __slots__ = ("_access", "_context", "_gateway", "_local", "_opened", "_pause", "_start", "_timeout", "_token")

    def __init__(
        self, access: Access, *, timeout: float = TIMEOUT, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._access = access
        self._timeout = timeout
        self._pause = pause
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []  # by any thread
        self._start = 0  # the endpoint that has answered last
        self._gateway: str | None = None
        self._token: str | None = None
        self._context = _context(access) if any(scheme == "https" for scheme, *_ in access.endpoints) else None

    def __enter__(self) -> Etcd:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._opened:
            connection.close()

    # --- what can be asked

    def version(self) -> str | None:
        """The version of etcd itself, `3.4.23`; None where it does not say."""
        status, answer = self._ask("GET", "/version")
        found = answer.get("etcdserver") if status == 200 and isinstance(answer, dict) else None
        return found if isinstance(found, str) else None

    def directory(self, key: str, *, recursive: bool) -> dict[str, Any] | None:
        """The node of a key of the v2 store with what is below it; None where there is none."""
        path = f"/v2/keys{quote(key)}?quorum=true&sorted=true&recursive={'true' if recursive else 'false'}"
        status, answer = self._ask("GET", path)
        if isinstance(answer, dict):
            node = answer.get("node")
            if status == 200 and isinstance(node, dict):
                return node
            if answer.get("errorCode") == 100:
                return None
            if answer.get("errorCode") == 110 or status in (401, 403):
                raise EtcdError(
                    f"{self._access.name} refuses to be read ({answer.get('message') or status}): set "
                    "APIV1_ETCD_USERNAME and APIV1_ETCD_PASSWORD"
                )
            reason = f"{answer.get('message', status)} {answer.get('cause', '')}".strip()
            raise EtcdError(f"{self._access.name}: {key}: {reason}")
        if status == 404:
            raise EtcdError(
                f"{self._access.name} has no v2 store, in which Calico v2 keeps its data (etcd 3.4 and later serve it "
                "with --enable-v2 only)"
            )
        raise EtcdError(f"{self._access.name}: {key}: etcd answers with status {status} and no JSON")

    def v3_keys(self) -> list[str] | None:
        """The keys below /calico/ of the v3 store; None where etcd has no JSON gateway."""
        keys: list[str] = []
        start = V3_PREFIX
        while True:
            answer = self._range(start, keys_only=True, limit=_V3_PAGE)
            if answer is None:
                return None
            page = [_decoded(entry) for entry in _list(answer, "kvs")]
            keys += [key.decode("utf-8", "replace") for key in page]
            if not answer.get("more") or not page or page[-1] < start:
                return keys
            start = page[-1] + b"\0"

    def v3_value(self, key: bytes) -> bytes | None:
        """The value of a key of the v3 store; None where there is none."""
        answer = self._range(key, end=None, limit=1)
        for entry in _list(answer, "kvs"):
            return _decoded(entry, "value")
        return None

    # --- how

    def _range(
        self, start: bytes, *, end: bytes | None = _V3_END, keys_only: bool = False, limit: int = 0
    ) -> dict[str, Any] | None:
        body: dict[str, Any] = {"key": base64.b64encode(start).decode(), "limit": str(limit)}
        if end is not None:
            body["range_end"] = base64.b64encode(end).decode()
        if keys_only:
            body["keys_only"] = True
        for gateway in (self._gateway,) if self._gateway else _GATEWAYS:
            status, answer = self._ask("POST", f"{gateway}/kv/range", body, self._headers(gateway))
            if status == 404 or not isinstance(answer, dict):
                continue
            if status == 200:
                self._gateway = gateway
                return answer
            reason = answer.get("error") or answer.get("message") or status
            raise EtcdError(f"{self._access.name}: the v3 store cannot be read: {reason}")
        return None

    def _headers(self, gateway: str) -> dict[str, str]:
        if self._access.username is None:
            return {}
        if self._token is None:
            body = {"name": self._access.username, "password": self._access.password}
            status, answer = self._ask("POST", f"{gateway}/auth/authenticate", body)
            self._token = str(answer.get("token") or "") if status == 200 and isinstance(answer, dict) else ""
        # Without authentication etcd knows no tokens, and needs none.
        return {"Authorization": self._token} if self._token else {}

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """(status, decoded JSON or None). Raises EtcdError when no endpoint answers."""
        sent = {"Accept": "application/json", **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body)
            sent["Content-Type"] = "application/json"
        elif self._access.username is not None:
            pair = f"{self._access.username}:{self._access.password}"
            sent["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        endpoints = self._access.endpoints
        said = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(_FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(1, 1.5))
            index = (self._start + attempt) % len(endpoints)
            try:
                status, raw = self._exchange(endpoints[index], method, path, data, sent)
            except ssl.SSLError as error:
                raise EtcdError(self._tls(endpoints[index], error)) from None
            except (OSError, http.client.HTTPException) as error:
                said = _reason(error, self._timeout)
                continue
            try:
                answer = json.loads(raw)
            except (ValueError, RecursionError):
                answer = None
            # 3xx are etcd's own errors of raft, such as an election: worth another attempt.
            code = answer.get("errorCode") if isinstance(answer, dict) else None
            if status >= 500 or (isinstance(code, int) and 300 <= code < 400):
                said = f"status {status}" + (f", {answer.get('message')}" if isinstance(answer, dict) else "")
                continue
            self._start = index
            return status, answer
        where = ", ".join(f"{host}:{port}" for _, host, port in endpoints)
        raise EtcdError(
            f"{self._access.name}: no answer from {where} after {ATTEMPTS} attempts ({said}): check address, network "
            "and certificates"
        )

    def _exchange(
        self, endpoint: tuple[str, str, int], method: str, path: str, data: str | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        connections = self._connections()
        connection = connections.get(endpoint)
        fresh = connection is None
        if connection is None:
            scheme, host, port = endpoint
            if scheme == "https":
                connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
            else:
                connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
            connections[endpoint] = connection
            self._opened.append(connection)
        try:
            connection.request(method, path, data, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except BaseException as error:
            connection.close()
            del connections[endpoint]
            # etcd closes connections that rest: not worth a word, nor a pause.
            if isinstance(error, http.client.RemoteDisconnected) and not fresh:
                return self._exchange(endpoint, method, path, data, headers)
            raise

    def _connections(self) -> dict[tuple[str, str, int], http.client.HTTPConnection]:
        found: dict[tuple[str, str, int], http.client.HTTPConnection] | None = getattr(self._local, "connections", None)
        if found is None:
            found = self._local.connections = {}
        return found

    def _tls(self, endpoint: tuple[str, str, int], error: ssl.SSLError) -> str:
        where = f"{endpoint[1]}:{endpoint[2]}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate of {where} does not verify ({error.verify_message}): give its CA with --etcd-ca"
        if "WRONG_VERSION_NUMBER" in str(error):
            return f"{where} does not speak TLS: write etcd:// for it"
        return (
            f"{where} refuses the TLS connection ({error.reason or error}): etcd may want a client certificate, "
            "--etcd-cert and --etcd-key"
        )


def keys(
    etcd: Etcd, progress: Progress | None = None, connections: int = _CONNECTIONS
) -> Iterator[tuple[str, str | None]]:
    """(key, value) of everything of Calico in the v2 store. The value of an empty directory is None.

    Raises EtcdError. `progress` is told after each subtree.
    """
    from concurrent.futures import ThreadPoolExecutor

    subtrees: list[str] = []
    for root in _ROOTS:
        yield from _divide(etcd, root, subtrees)
    if progress is not None:
        progress(0, len(subtrees))
    if len(subtrees) < 2 * connections:
        connections = 1
    pool = ThreadPoolExecutor(connections)
    try:
        # A window of them at a time: what was read waits for nobody in memory.
        for begin in range(0, len(subtrees), 64):
            some = subtrees[begin : begin + 64]
            for done, node in enumerate(pool.map(lambda key: etcd.directory(key, recursive=True), some), begin + 1):
                if node is not None:  # else it has gone meanwhile
                    yield from leaves(node)
                if progress is not None:
                    progress(done, len(subtrees))
    finally:
        pool.shutdown(cancel_futures=True)


def _divide(etcd: Etcd, key: str, subtrees: list[str]) -> Iterator[tuple[str, str | None]]:
    """The leaves of a directory; its subtrees are put on the list."""
    if key not in _DIVIDED:
        subtrees.append(key)
        return
    node = etcd.directory(key, recursive=False)
    if node is not None and not _list(node, "nodes"):
        yield from leaves(node)
    for child in _list(node, "nodes"):
        if not isinstance(child, dict) or not isinstance(child.get("key"), str):
            continue
        if child.get("dir"):
            yield from _divide(etcd, child["key"], subtrees)
        else:
            yield from leaves(child)


def leaves(node: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """(key, value) of the leaves below a node of the v2 store, with None for empty directories.

    What has no text as its key, or as its value, comes with the empty key.
    """
    stack: list[Any] = [node]
    while stack:
        node = stack.pop()
        key = node.get("key", "/") if isinstance(node, dict) else None
        if not isinstance(node, dict) or not isinstance(key, str):
            yield "", None
            continue
        below = node.get("nodes")
        if isinstance(below, list) and below:
            stack.extend(reversed(below))
        elif node.get("dir") or "value" not in node:
            yield key, None
        elif isinstance(node["value"], str):
            yield key, node["value"]
        else:
            yield "", None


def _list(answer: dict[str, Any] | None, name: str) -> list[Any]:
    found = (answer or {}).get(name)
    return found if isinstance(found, list) else []


def _decoded(entry: Any, name: str = "key") -> bytes:
    text = entry.get(name) if isinstance(entry, dict) else None
    try:
        return base64.b64decode(text) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca)
    except (OSError, ssl.SSLError) as error:
        raise EtcdError(f"--etcd-ca: {access.ca}: {_file_reason(error)}") from None
    if (access.certificate is None) != (access.key is None):
        raise EtcdError("a client certificate is two files: give both --etcd-cert and --etcd-key")
    if access.certificate is not None:
        try:
            # Without the callback OpenSSL would ask the terminal for the password of an encrypted key.
            context.load_cert_chain(access.certificate, access.key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            reason = _file_reason(error)
            raise EtcdError(f"--etcd-cert {access.certificate}, --etcd-key {access.key}: {reason}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted: decrypt it first")


def _file_reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no certificate or key in PEM can be read ({error.reason or error})"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {timeout:g} s"
    if isinstance(error, http.client.HTTPException):
        return f"{type(error).__name__}: no proper HTTP answer"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
