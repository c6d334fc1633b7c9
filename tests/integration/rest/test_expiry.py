"""What is older than anything that is kept: lists, pages and watches say 410, each in its way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.integration.rest.client import Client, config_map, path_of, status
from tests.integration.rest.server import Stack

CONFIG_MAPS = path_of("default", "configmaps")
FILLER = "x" * 10_000


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that was started just now, on a stream that keeps little."""
    stack = Stack(tmp_path_factory.mktemp("expiry"), stream_max_bytes=64 * 1024)
    stack.start()
    first = Client(stack.server.port, stack.server.tls, stack.server.token())
    for i in range(20):
        first.make(CONFIG_MAPS, config_map(f"c{i:02}", a=FILLER))
    first.close()
    server = stack.another_server()
    server.start()
    client = Client(server.port, server.tls, server.token())
    yield client
    client.close()
    server.stop()
    stack.close()


def _token(version: int, start: str) -> str:
    raw = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_a_token_that_is_too_old_comes_back_with_one_for_the_rest_as_it_is_now(forgetful: Client) -> None:
    expired = forgetful.get(CONFIG_MAPS, limit=1, **{"continue": _token(1, "default/c16")})
    assert (expired.status, expired.json["reason"]) == (410, "Expired")
    assert expired.message == (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    forgetful.delete(f"{CONFIG_MAPS}/c18")
    rest = forgetful.get(CONFIG_MAPS, **{"continue": expired.json["metadata"]["continue"]})
    assert rest.names == ["c17", "c19"]
    assert int(rest.rv) == forgetful.current_rv()


def test_a_version_that_is_not_kept_any_more_has_expired(forgetful: Client) -> None:
    answer = forgetful.get(CONFIG_MAPS, resourceVersion="1", resourceVersionMatch="Exact")
    told = "The resourceVersion for the provided list is too old."
    assert (answer.status, answer.json) == (410, status(410, "Expired", told))


def test_a_watch_from_what_is_not_kept_any_more_ends_with_an_error(forgetful: Client) -> None:
    with forgetful.watch(CONFIG_MAPS, watch=1, resourceVersion=1) as watch:
        assert watch.status == 200
        frames = watch.rest()
    assert [frame["type"] for frame in frames] == ["ERROR"]
    gone = frames[0]["object"]
    assert (gone["kind"], gone["code"], gone["reason"]) == ("Status", 410, "Expired")
    assert gone["message"].startswith("too old resource version: 1 (")


def test_a_watch_from_the_last_version_that_is_kept_shows_all_behind_it(forgetful: Client) -> None:
    with forgetful.watch(CONFIG_MAPS, watch=1, resourceVersion=1) as watch:
        oldest = int(watch.rest()[0]["object"]["message"].rpartition("(")[2].rstrip(")"))
    newest = forgetful.current_rv()
    with forgetful.watch("/api/v1/configmaps", watch=1, resourceVersion=oldest) as watch:
        frames = watch.take(newest - oldest)
    assert [int(frame["object"]["metadata"]["resourceVersion"]) for frame in frames] == list(
        range(oldest + 1, newest + 1)
    )
