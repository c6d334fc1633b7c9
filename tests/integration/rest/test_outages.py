"""What clients see while Redis or NATS is away, when they are slow or go away themselves, and when the server stops."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.rest.client import Client, WatchLines, config_map, path_of, short
from tests.integration.rest.server import Stack
from tests.servers import wait_until

CONFIG_MAPS = path_of("default", "configmaps")
LAG_LIMIT = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that tests may rob; each test leaves all of them running."""
    stack = Stack(tmp_path_factory.mktemp("outages"), watch_lag_limit_bytes=LAG_LIMIT)
    stack.start()
    yield stack
    stack.close()


@pytest.fixture
def api(own: Stack) -> Iterator[Client]:
    client = Client(own.server.port, own.server.tls, own.server.token())
    yield client
    client.close()
    ready = Client(own.server.port, own.server.tls, None)
    wait_until(lambda: ready.get("/readyz").status == 200, what="ready again")
    ready.close()


def _make(api: Client, name: str = "", **data: str) -> str:
    """The name of a new ConfigMap."""
    metadata = {"name": name} if name else {"generateName": "c-"}
    return str(api.make(CONFIG_MAPS, {"metadata": metadata, "data": data})["metadata"]["name"])


def _inflight(api: Client) -> int:
    """Requests that the server is busy with, this one left out."""
    found = re.search(rb"^apiserver_current_inflight_requests ([0-9.]+)", api.get("/metrics").body, re.MULTILINE)
    assert found is not None
    return int(float(found[1])) - 1


# Redis


def test_without_redis_requests_are_refused_at_once_and_watches_go_on(own: Stack, api: Client) -> None:
    kept = _make(api)
    watch = api.watch(CONFIG_MAPS, watch=1, resourceVersion=api.current_rv())
    own.redis.kill()
    try:
        for method, path in (("GET", f"{CONFIG_MAPS}/{kept}"), ("GET", CONFIG_MAPS), ("POST", CONFIG_MAPS)):
            began = time.monotonic()
            answer = api.request(method, path, config_map("lost") if method == "POST" else None)
            if answer.status == 504:  # on its way as the connection broke: nobody can know, so nobody may send it again
                assert (method, answer.json["reason"], "retry-after" in answer.headers) == (
                    "POST",
                    "ServerTimeout",
                    False,
                )
                answer = api.request(method, path, config_map("lost"))
            assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
            assert answer.headers["retry-after"] == "1"
            assert time.monotonic() - began < 15
        ready = api.get("/readyz?verbose")
        assert (ready.status, b"[-]redis failed: reason withheld" in ready.body) == (500, True)
        assert api.get("/livez").status == 200
        assert api.get("/version").status == 200
        assert api.get(CONFIG_MAPS, resourceVersion="0").status == 200
    finally:
        own.redis.start()
    wait_until(lambda: api.get("/readyz").status == 200, what="ready again")
    assert api.get(f"{CONFIG_MAPS}/{kept}").status == 200
    assert api.get(f"{CONFIG_MAPS}/lost").status == 404
    name = _make(api)
    with watch:
        assert short(watch.next()) == ("ADDED", name)


def test_a_redis_that_hangs_hangs_nobody(own: Stack, api: Client) -> None:
    kept = _make(api)
    own.redis.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = api.get(f"{CONFIG_MAPS}/{kept}", timeout="2s")
        assert answer.status in (503, 504)
        assert time.monotonic() - began < 15
    finally:
        own.redis.signal(signal.SIGCONT)
    wait_until(lambda: api.get(f"{CONFIG_MAPS}/{kept}").status == 200, timeout_seconds=30, what="Redis answers again")


# NATS


def test_without_nats_all_but_watches_goes_on_and_watches_catch_up(own: Stack, api: Client) -> None:
    began = api.current_rv()
    watch = api.watch(CONFIG_MAPS, watch=1, resourceVersion=began)
    own.nats.kill()
    try:
        names = [_make(api) for _ in range(20)]
        assert api.patch(f"{CONFIG_MAPS}/{names[0]}", {"data": {"a": "1"}}).status == 200
        assert api.delete(f"{CONFIG_MAPS}/{names[1]}").status == 200
        assert set(names) - {names[1]} <= set(api.get(CONFIG_MAPS).names)
        assert api.get("/readyz").status == 200
        nats = api.get("/api/v1/componentstatuses/nats").json["conditions"][0]
        assert (nats["status"], nats["message"]) == ("False", "not connected")
    finally:
        own.nats.start()
    with watch:
        frames = watch.take(22)
    versions = [int(frame["object"]["metadata"]["resourceVersion"]) for frame in frames]
    assert versions == list(range(began + 1, began + 23))
    assert [short(frame) for frame in frames[-2:]] == [("MODIFIED", names[0]), ("DELETED", names[1])]


def test_a_new_watch_without_nats_begins_with_the_present(own: Stack, api: Client) -> None:
    own.nats.kill()
    try:
        name = _make(api)
        options = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        with api.watch(CONFIG_MAPS, watch=1, fieldSelector=f"metadata.name={name}", **options) as watch:
            assert [frame["type"] for frame in watch.take(2)] == ["ADDED", "BOOKMARK"]
    finally:
        own.nats.start()


# Clients that go away or are slow


def test_a_client_that_goes_away_in_the_middle_stores_nothing(own: Stack, api: Client) -> None:
    before = api.current_rv()
    body = json.dumps(config_map("half")).encode()
    head = (
        f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {own.server.token()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for sent in (head[:40].encode(), head.encode(), head.encode() + body[:-5]):
        with _raw(own) as raw:
            raw.sendall(sent)
    wait_until(lambda: _inflight(api) == 0, what="no request left")
    assert api.current_rv() == before


def test_what_is_not_http_is_told_so(own: Stack, api: Client) -> None:
    for sent in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        with _raw(own) as raw:
            raw.sendall(sent)
            assert raw.recv(1000).startswith(b"HTTP/1.1 400")
    with _raw(own) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        answer = b""
        try:
            for _ in range(40):
                raw.sendall(b"a" * 100_000)
            answer = raw.recv(1000)
        except (ConnectionError, ssl.SSLError):
            answer = answer or b"HTTP/1.1 400"  # cut off while it was still sending
        assert answer.startswith(b"HTTP/1.1 400")
    assert api.get("/livez").status == 200


def test_watchers_that_go_away_leave_nothing_behind(own: Stack, api: Client) -> None:
    wait_until(lambda: _inflight(api) == 0, what="no request left")
    watches = [api.watch(CONFIG_MAPS, watch=1, resourceVersion=api.current_rv()) for _ in range(20)]
    assert _inflight(api) == 20
    for watch in watches:
        watch.close()
    wait_until(lambda: _inflight(api) == 0, what="no watcher left")


def test_a_watcher_that_does_not_read_is_cut_off_and_hurts_nobody(own: Stack, api: Client) -> None:
    wait_until(lambda: _inflight(api) == 0, what="no request left")
    name = _make(api)
    raw = _raw(own)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    query = f"watch=1&resourceVersion={api.current_rv()}"
    raw.sendall(
        f"GET {CONFIG_MAPS}?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {own.server.token()}\r\n\r\n".encode()
    )
    wait_until(lambda: _inflight(api) == 1, what="the slow watcher")
    quick = api.watch(CONFIG_MAPS, watch=1, resourceVersion=api.current_rv())
    seen: list[str] = []
    reading = threading.Thread(target=_read_versions, args=(quick, seen))
    reading.start()
    written: list[str] = []
    for n in range(25):
        written.append(api.patch(f"{CONFIG_MAPS}/{name}", {"data": {"a": f"{n:07}" * 100_000}}).rv)
        wait_until(lambda: seen == written, timeout_seconds=30, what="the quick one has it")
    wait_until(lambda: _inflight(api) == 1, timeout_seconds=30, what="the slow watcher is gone")
    raw.close()
    api.delete(f"{CONFIG_MAPS}/{name}")
    reading.join()
    quick.close()


def _read_versions(watch: WatchLines, into: list[str]) -> None:
    while (frame := watch.next()) is not None:
        into.append(frame["object"]["metadata"]["resourceVersion"])
        if frame["type"] == "DELETED":
            return


def _raw(own: Stack) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", own.server.port), timeout=20)
    return own.server.tls.wrap_socket(plain, server_hostname="127.0.0.1")


# The end


def test_a_stop_ends_watches_in_order_and_answers_what_is_under_way(tmp_path: Path, own: Stack) -> None:
    server = own.another_server()
    server.start()
    client = Client(server.port, server.tls, server.token())
    watches = [client.watch(CONFIG_MAPS, watch=1, resourceVersion=client.current_rv()) for _ in range(5)]
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10
    for watch in watches:
        assert watch.body() == b""  # http.client raises IncompleteRead where the end is not marked
        watch.close()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        client.get("/livez")


def test_a_stop_does_not_wait_for_a_reader_that_does_not_read(own: Stack, api: Client) -> None:
    server = own.another_server()
    server.start()
    name = _make(api, a="x" * 900_000)
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    stuck = server.tls.wrap_socket(plain, server_hostname="127.0.0.1")
    stuck.sendall(
        f"GET {CONFIG_MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token()}\r\n\r\n".encode()
    )
    for n in range(4):
        api.patch(f"{CONFIG_MAPS}/{name}", {"data": {"a": str(n) * 900_000}})
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10
    stuck.close()


def test_a_port_that_is_taken_is_told(own: Stack) -> None:
    server = own.another_server()
    server.settings = server.settings.model_copy(update={"port": own.server.port})
    server.start(wait=False)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{own.server.port}"):
        server.stop()
