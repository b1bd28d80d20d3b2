"""Reading a live store: the same data as a dump of it, page by page, read only, and clear words where it fails."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calico_lint.v1data import V1Object, convert
from calico_lint.v1data.etcd import Access, Etcd, EtcdError, access_v1, access_v3, is_url, keys, leaves
from calico_lint.v1data.sources import Reading, read
from tests.helpers import ROOT
from tests.v1data.etcd_server import dump, etcd_server, needs_etcd, needs_openssl, played, put, put_v3

STORE = ROOT / "fixtures" / "v1data" / "store.json"


def read_url(url: str, **options: Any) -> Reading:
    unreadable: list[str] = []
    reading = read([url], unreadable, **options)
    assert not unreadable
    return reading


def outcome(objects: list[V1Object]) -> Any:
    """What a conversion gives, without places."""
    found = convert(objects, keep=True)
    return (
        found.resources,
        found.ipam,
        [(row.v1_kind, row.v1_name, row.kind, row.name) for row in found.names],
        [(each.rule, each.field, each.message) for each in found.remarks()],
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real etcd that holds the fixture's store, and a node whose directory is empty."""
    with etcd_server(tmp_path_factory.mktemp("etcd")) as address:
        for key, value in leaves(json.loads(STORE.read_text())["node"]):
            put(address, key, value)
        put(address, "/calico/v1/host/gone.example.net", None)
        put(address, "/calico/v1/host/left.example.net/workload", None)
        put(address, "/calico/v1/config/odd name%2f", "é\nsecond line")
        yield address


@needs_etcd
def test_a_store_and_its_dump_convert_alike(store: str, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    file.write_bytes(dump(store))
    live, dumped = read_url(f"etcd://{store}"), read_url(str(file))
    assert live.whole_store
    assert dumped.whole_store
    assert sorted((each.path, each.value) for each in live.objects) == sorted(
        (each.path, each.value) for each in dumped.objects
    )
    assert outcome(live.objects) == outcome(dumped.objects)
    nodes = {row.v1_name for row in convert(live.objects).names if row.v1_kind == "node"}
    assert {"gone.example.net", "left.example.net"} <= nodes  # a node is a directory, even an empty one
    assert (live.etcd_version or "").startswith("3.")
    assert live.v3_keys == []


@needs_etcd
def test_what_etcdctl_prints_converts_alike(store: str, tmp_path: Path) -> None:
    environment = {"ETCDCTL_API": "2", "PATH": "/usr/bin:/bin"}
    try:
        listed = subprocess.run(
            ["etcdctl", "--endpoints", f"http://{store}", "--output", "json", "ls", "--recursive", "/calico"],
            env=environment, capture_output=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no etcdctl on this machine")
    if listed.returncode:
        pytest.skip("this etcdctl has no v2 commands")
    (tmp_path / "ls.json").write_bytes(listed.stdout)
    assert outcome(read_url(str(tmp_path / "ls.json")).objects) == outcome(read_url(f"etcd://{store}").objects)


@needs_etcd
def test_nothing_is_written(store: str) -> None:
    before = everything(store)
    read_url(f"etcd://{store}")
    assert everything(store) == before


def everything(address: str) -> list[Any]:
    """All nodes of the v2 store with their indices; etcd lists them in any order."""
    stack, found = [json.loads(dump(address, "/"))["node"]], []
    while stack:
        node = stack.pop()
        stack += node.pop("nodes", ())
        found.append(sorted(node.items(), key=repr))
    return sorted(found, key=repr)


@needs_etcd
def test_leftovers_of_v3_are_found(tmp_path: Path) -> None:
    with etcd_server(tmp_path) as address:
        put(address, "/calico/v1/Ready", "false")
        name = "/calico/resources/v3/projectcalico.org/clusterinformations/default"
        put_v3(address, name, json.dumps({"spec": {"calicoVersion": "v2.6.12", "datastoreReady": False}}))
        for number in range(1004):  # more than a page
            put_v3(address, f"/calico/ipam/v2/handle/h{number}", "{}")
        put_v3(address, "/calicoo", "not ours")
        reading = read_url(f"etcd://{address}")
        assert reading.v3_keys is not None
        assert len(reading.v3_keys) == len(set(reading.v3_keys)) == 1005
        assert reading.cluster_information == {"calicoVersion": "v2.6.12", "datastoreReady": False}
        assert read_url(f"etcd://{address}", v3_url="none").v3_keys is None


@needs_etcd
def test_without_the_v2_api_it_is_said(tmp_path: Path) -> None:
    with etcd_server(tmp_path, v2=False) as address:
        unreadable: list[str] = []
        assert not read([f"etcd://{address}"], unreadable).objects
    assert "has no v2 store" in unreadable[0]


@needs_etcd
@needs_openssl
def test_tls_with_client_certificates(tmp_path: Path) -> None:
    files = certificates(tmp_path)
    with etcd_server(tmp_path, tls=files) as address:
        environment = {
            "APIV1_ETCD_ENDPOINTS": f"https://{address}",
            "APIV1_ETCD_CA_CERT_FILE": str(files["ca"]),
            "CALICO_APIV1_ETCD_CERT_FILE": str(files["cert"]),
            "APIV1_ETCD_KEY_FILE": str(files["key"]),
        }
        reading = read_url("etcd:", environment=environment)
        assert reading.inputs[0].path == f"https+etcd://{address}"
        assert (reading.etcd_version or "").startswith("3.")

        def fails(url: str, **given: Path) -> str:
            unreadable: list[str] = []
            certificates = {name: str(path) for name, path in given.items()}
            read([url], unreadable, certificates=certificates)
            return unreadable[0]

        url = f"https+etcd://{address}"
        assert "does not verify" in fails(url)
        assert "--etcd-cert" in fails(url, ca=files["ca"])
        assert "give both" in fails(url, ca=files["ca"], certificate=files["cert"])
        assert "no certificate or key" in fails(url, ca=files["ca"], certificate=files["cert"], key=files["ca"])
        assert "encrypted" in fails(url, ca=files["ca"], certificate=files["cert"], key=files["encrypted"])
        assert "no certificate or key" in fails(url, ca=files["key"])
        assert "No such file" in fails(url, ca=tmp_path / "none.pem")


def certificates(folder: Path) -> dict[str, Path]:
    """A CA, and a certificate of it for 127.0.0.1 that serves both sides."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(*new, "-subj", "/CN=test CA", "-keyout", "ca-key.pem", "-out", "ca.pem",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=etcd", "-keyout", "key.pem", "-out", "csr.pem")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
        "-days", "2", "-extfile", "ext", "-out", "cert.pem")  # fmt: skip
    openssl("rsa", "-in", "key.pem", "-aes256", "-passout", "pass:secret", "-out", "encrypted.pem")
    return {name: folder / f"{name}.pem" for name in ("ca", "cert", "key", "encrypted")}


# --- a store that is played -----------------------------------------------------------------------------


def directory(key: str, *nodes: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "dir": True, "nodes": list(nodes)}


def leaf(key: str, value: str = "{}") -> dict[str, Any]:
    return {"key": key, "value": value}


HOSTS = 200


def big_store(method: str, path: str) -> tuple[int, Any]:
    """A store of many nodes, that answers for each directory on its own."""
    url = urlsplit(path)
    if url.path == "/version":
        return 200, {"etcdserver": "3.3.10"}
    if not url.path.startswith("/v2/keys"):
        return 404, b"404 page not found\n"
    key = url.path.removeprefix("/v2/keys")
    recursive = "recursive=true" in url.query
    assert "quorum=true" in url.query
    if key == "/calico/v1":
        assert not recursive
        return 200, {"node": directory(key, leaf(f"{key}/Ready", "true"), {"key": f"{key}/host", "dir": True})}
    if key == "/calico/v1/host":
        assert not recursive
        below = [{"key": f"{key}/n{number}", "dir": True} for number in range(HOSTS)]
        return 200, {"node": directory(key, *below)}
    if key.startswith("/calico/v1/host/"):
        assert recursive
        return 200, {"node": directory(key, leaf(f"{key}/metadata"))}
    return 404, {"errorCode": 100, "message": "Key not found", "cause": key}


def test_it_is_read_page_by_page_and_only_read() -> None:
    with played(big_store) as (address, asked):
        steps: list[tuple[int, int]] = []
        with client(address)[0] as etcd:
            found = dict(keys(etcd, lambda *step: steps.append(step)))
    assert len(found) == HOSTS + 1
    assert {method for method, _ in asked} == {"GET"}
    assert len(asked) == HOSTS + 4  # two lists, and the roots of BGP and IPAM
    assert steps[0][0] == 0
    assert steps[-1] == (HOSTS + 2, HOSTS + 2)


def endpoint(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


def client(address: str, **options: Any) -> tuple[Etcd, list[float]]:
    """A client that does not wait, and the list of the pauses that it would have made."""
    pauses: list[float] = []
    return Etcd(Access([("http", *endpoint(address))]), pause=pauses.append, **options), pauses


def test_what_passes_is_tried_again_after_longer_and_longer_pauses() -> None:
    answers = iter([
        (500, {"errorCode": 300, "message": "Raft Internal Error"}),
        (503, b"no leader"),
        (400, {"errorCode": 301, "message": "During Leader Election"}),
        (200, {"node": leaf("/k", "v")}),
    ])  # fmt: skip
    with played(lambda *_: next(answers)) as (address, _):
        etcd, pauses = client(address)
        with etcd:
            assert etcd.directory("/k", recursive=True) == leaf("/k", "v")
    assert len(pauses) == 3
    assert pauses == sorted(pauses)


def test_another_endpoint_is_asked_when_one_is_gone() -> None:
    with played(lambda *_: (200, {"node": leaf("/k", "v")})) as (address, _):
        access = Access([("http", "127.0.0.1", 1), ("http", *endpoint(address))])
        pauses: list[float] = []
        with Etcd(access, pause=pauses.append) as etcd:
            assert etcd.directory("/k", recursive=True) is not None
            assert etcd.directory("/k", recursive=True) is not None
    assert len(pauses) == 1  # the one that answers is asked first from then on


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, b"oops"), "no answer from"),
        ((401, {"errorCode": 110, "message": "The request requires user authentication"}), "APIV1_ETCD_USERNAME"),
        ((404, b"404 page not found"), "no v2 store"),
        ((200, b"<html>"), "no JSON"),
        ((200, b"[" * 100_000), "no JSON"),
        ((200, []), "no JSON"),
        ((400, {"errorCode": 107, "message": "Root is read only"}), "Root is read only"),
    ],
)
def test_what_does_not_pass_is_said(answer: tuple[int, Any], said: str) -> None:
    with (
        played(lambda *_: answer) as (address, _),
        client(address)[0] as etcd,
        pytest.raises(EtcdError, match=said),
    ):
        etcd.directory("/calico", recursive=True)


def test_a_silent_etcd_is_given_up() -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        etcd, pauses = client(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)
        with etcd, pytest.raises(EtcdError, match=r"nothing within 0.05 s"):
            etcd.version()
    assert len(pauses) == 4


def test_the_gateway_of_older_releases_is_found() -> None:
    def answer(method: str, path: str) -> tuple[int, Any]:
        if path == "/v3beta/kv/range":
            return 200, {"kvs": [{"key": "L2NhbGljby9h"}], "count": "1"}
        return 404, b"404 page not found\n"

    with played(answer) as (address, asked), client(address)[0] as etcd:
        assert etcd.v3_keys() == ["/calico/a"]
        assert etcd.v3_keys() == ["/calico/a"]
    assert [path for _, path in asked] == ["/v3/kv/range", "/v3beta/kv/range", "/v3beta/kv/range"]
    with played(lambda *_: (404, b"")) as (address, _), client(address)[0] as etcd:
        assert etcd.v3_keys() is None


def test_a_password_is_sent_and_never_shown() -> None:
    def answer(method: str, path: str) -> tuple[int, Any]:
        if path == "/v3/auth/authenticate":
            return 200, {"token": "t"}
        if path == "/v3/kv/range":
            return 403, {"error": "etcdserver: permission denied"}
        return 401, {"errorCode": 110, "message": "Insufficient credentials"}

    with played(answer) as (address, _):
        access = access_v1(f"etcd://me:p%40ss@{address}", {})
        assert (access.username, access.password) == ("me", "p@ss")
        for ask in (lambda etcd: etcd.directory("/", recursive=True), lambda etcd: etcd.v3_keys()):
            with Etcd(access, pause=lambda _: None) as etcd, pytest.raises(EtcdError) as error:
                ask(etcd)
            assert "p@ss" not in str(error.value)
            assert "me" not in str(error.value).partition("://")[2].partition(" ")[0]


names = st.sampled_from(["node", "nodes", "key", "value", "dir", "kvs", "more", "errorCode", "/calico/v1/host", "L2E="])
answers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 200, 200, 404, 401, 503]),
            answers.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=9),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_answer_is_keys_or_an_error(said: list[tuple[int, bytes]]) -> None:
    turns = itertools.cycle(said)
    etcd = Etcd(Access([("http", "etcd", 1)]), pause=lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Etcd, "_exchange", lambda *_: next(turns))
        for ask in (etcd.version, etcd.v3_keys, lambda: etcd.v3_value(b"/k"), lambda: list(keys(etcd))):
            with suppress(EtcdError):
                ask()


parts = st.sampled_from(["v1", "host", "n1", "n2", "workload", "config", "metadata", "bgp", "Ready", "x y%"])
paths = st.lists(parts, min_size=1, max_size=5).map(lambda steps: "/".join(["/calico", *steps]))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(paths, st.none() | st.text(max_size=3), max_size=12))
def test_read_in_pieces_or_as_a_whole(pairs: dict[str, str | None]) -> None:
    """Whatever stands in a store: directory by directory it is what a dump of the three roots holds."""
    known: dict[str, dict[str, Any]] = {"/calico": directory("/calico")}

    def node(path: str, value: str | None) -> dict[str, Any] | None:
        if path not in known:
            above = node(path.rpartition("/")[0], None)
            if above is None or "value" in above:
                return None  # a value has no keys below it
            known[path] = directory(path) if value is None else leaf(path, value)
            above["nodes"].append(known[path])
        return known[path]

    for path in sorted(pairs):
        node(path, pairs[path])

    class Store(Etcd):
        def directory(self, key: str, *, recursive: bool) -> dict[str, Any] | None:
            found = known.get(key)
            if found is None or recursive or "nodes" not in found:
                return found
            return {
                **found,
                "nodes": [{name: each[name] for name in each if name != "nodes"} for each in found["nodes"]],
            }

    roots = ("/calico/v1", "/calico/bgp/v1", "/calico/ipam/v2")
    whole = sorted((pair for root in roots if root in known for pair in leaves(known[root])), key=repr)
    assert sorted(keys(Store(Access([("http", "etcd", 1)]))), key=repr) == whole


# --- addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "environment", "endpoints"),
    [
        ("etcd://h:1", {}, [("http", "h", 1)]),
        ("etcd://h", {}, [("http", "h", 2379)]),
        ("https+etcd://h/", {}, [("https", "h", 2379)]),
        ("http://[::1]:4001", {}, [("http", "::1", 4001)]),
        ("https://a:1,https://b:2", {}, [("https", "a", 1), ("https", "b", 2)]),
        ("etcd://a:1,b:2", {}, [("http", "a", 1), ("http", "b", 2)]),
        ("etcd:", {"APIV1_ETCD_ENDPOINTS": "http://a:1, https://b:2"}, [("http", "a", 1), ("https", "b", 2)]),
        ("etcd://", {"APIV1_ETCD_AUTHORITY": "a:1", "APIV1_ETCD_SCHEME": "https"}, [("https", "a", 1)]),
        (
            "etcd:",
            {"APIV1_ETCD_ENDPOINTS": "http://a:1", "CALICO_APIV1_ETCD_ENDPOINTS": "http://b:1"},
            [("http", "b", 1)],
        ),
    ],
)
def test_endpoints(url: str, environment: dict[str, str], endpoints: list[tuple[str, str, int]]) -> None:
    assert is_url(url)
    assert access_v1(url, environment).endpoints == endpoints


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("etcd:", "APIV1_ETCD_ENDPOINTS, which is not set"),
        ("etcd://h:port", "is no URL"),
        ("etcd://h:99999", "is no URL"),
        ("etcd://:2379", "names no host"),
        ("etcd://h/v2/keys", "only the address"),
        ("etcd://[::1", "is no URL"),
        ("etcd://a,ftp://b", "is no URL"),
    ],
)
def test_addresses_that_are_none(url: str, said: str) -> None:
    with pytest.raises(EtcdError, match=said):
        access_v1(url, {})


@pytest.mark.parametrize("path", ["dump.json", "etcd", "c:/dump", "./http:", "-", "https:", "http:dump"])
def test_files_are_no_urls(path: str) -> None:
    assert not is_url(path)


def test_the_v3_store_is_where_the_environment_says() -> None:
    v1 = access_v1("etcd://a:1", {})
    assert access_v3(None, v1, {}) is v1
    assert access_v3(None, v1, {"ETCD_ENDPOINTS": "http://b:2"}).endpoints == [("http", "b", 2)]
    assert access_v3("etcd://c:3", v1, {"ETCD_ENDPOINTS": "http://b:2"}).endpoints == [("http", "c", 3)]
    found = access_v3(None, v1, {"ETCD_ENDPOINTS": "https://b:2", "CALICO_ETCD_CA_CERT_FILE": "/ca"}, key="/k")
    assert (found.ca, found.key, found.certificate) == ("/ca", "/k", None)
