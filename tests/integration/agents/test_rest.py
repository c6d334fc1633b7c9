"""What the client tries again, and what it does not: against a server that answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from agents.client.config import ApiConfig
from agents.client.resources import CONFIGMAPS, LEASES, PODS
from agents.client.rest import ApiUnavailable, MayNotWrite, RestClient
from agents.client.transport import NotDone
from apiserver.api import status
from tests.servers import free_port

Obj = dict[str, Any]
Answer = Callable[[web.Request], Any]


def refusal(error: status.StatusError) -> web.Response:
    return web.json_response(error.to_status(), status=error.code)


class Scripted:
    """Answers each request with the next of `answers`, and the last one for ever. `None` cuts the connection."""

    def __init__(self) -> None:
        self.port = free_port()
        self.answers: list[Any] = []
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(answer, status.StatusError):
            return refusal(answer)
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Scripted]:
    made = Scripted()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def rest(server: Scripted) -> AsyncIterator[RestClient]:
    async with RestClient(ApiConfig(server.url, token="t"), user_agent="test", patience_seconds=1.0) as client:
        yield client


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"}}


async def test_who_asks_is_told_to_the_server(server: Scripted, rest: RestClient) -> None:
    server.answers = [POD]
    assert await rest.get(PODS, "a", namespace="default") == POD
    [asked] = server.asked
    assert asked.path == "/api/v1/namespaces/default/pods/a"
    assert (asked.headers["Authorization"], asked.headers["User-Agent"]) == ("Bearer t", "test")


@pytest.mark.parametrize(
    "trouble",
    [
        None,
        status.ServiceUnavailable("no store"),
        status.Timeout("late"),
        status.TooManyRequests("x", retry_after_seconds=1),
    ],
    ids=["cut", "503", "504", "429"],
)
async def test_a_read_is_tried_again(server: Scripted, rest: RestClient, trouble: Any) -> None:
    server.answers = [trouble, POD]
    rest._transport._patience = 5.0
    assert await rest.get(PODS, "a", namespace="default") == POD


async def test_a_write_that_was_refused_without_being_done_is_tried_again(server: Scripted, rest: RestClient) -> None:
    server.answers = [status.ServiceUnavailable("no store"), POD]
    await rest.create(PODS, POD, namespace="default")
    assert len(server.asked) == 2
    assert server.bodies[0] == server.bodies[1]


@pytest.mark.parametrize("trouble", [None, status.ServerTimeout("unknown"), status.InternalError("bug")])
async def test_a_write_whose_outcome_is_not_known_is_not_repeated(
    server: Scripted, rest: RestClient, trouble: Any
) -> None:
    server.answers = [trouble, POD]
    with pytest.raises(status.StatusError):
        await rest.create(PODS, POD, namespace="default")
    assert len(server.asked) == 1


async def test_a_server_that_is_away_is_waited_for_so_long(server: Scripted, rest: RestClient) -> None:
    await server.stop()
    with pytest.raises(NotDone, match="not reachable"):
        await rest.create(PODS, POD, namespace="default")

    async def come_back() -> None:
        await asyncio.sleep(0.2)
        await server.start()

    server.answers = [POD]
    coming = asyncio.create_task(come_back())
    await rest.create(PODS, POD, namespace="default")
    await coming


async def test_a_budget_that_allows_nothing_now_is_told_at_once(server: Scripted, rest: RestClient) -> None:
    server.answers = [status.TooManyRequests("budget")]
    with pytest.raises(status.TooManyRequests):
        await rest.create(PODS, {}, namespace="default", name="a", subresource="eviction")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "error",
    [status.NotFound("x"), status.Conflict("x"), status.AlreadyExists("x"), status.Forbidden("x"), status.Invalid("x")],
)
async def test_refusals_are_the_errors_that_they_were(
    server: Scripted, rest: RestClient, error: status.StatusError
) -> None:
    error.causes = (status.Cause("NamespaceTerminating", "m", "metadata.namespace"),)
    server.answers = [error]
    with pytest.raises(type(error)) as caught:
        await rest.update(LEASES, {"metadata": {"name": "l", "namespace": "n"}})
    assert caught.value.causes == error.causes
    assert len(server.asked) == 1


async def test_an_answer_that_is_no_status_is_still_told(server: Scripted, rest: RestClient) -> None:
    server.answers = [web.Response(status=403, text="a proxy says no")]
    with pytest.raises(status.Forbidden, match="a proxy says no"):
        await rest.get(PODS, "a", namespace="default")


def page(rv: str, *names: str, token: str = "") -> Obj:
    items = [{"metadata": {"name": name}} for name in names]
    return {"metadata": {"resourceVersion": rv, **({"continue": token} if token else {})}, "items": items}


async def test_a_list_is_read_in_pages_and_its_items_know_their_kind(server: Scripted, rest: RestClient) -> None:
    server.answers = [page("7", "a", "b", token="next"), page("7", "c")]
    found = await rest.list(CONFIGMAPS, namespace="default", label_selector="a=b")
    assert [(i["metadata"]["name"], i["kind"]) for i in found.items] == [(n, "ConfigMap") for n in "abc"]
    assert found.resource_version == "7"
    assert [r.query.get("continue") for r in server.asked] == [None, "next"]
    assert {r.query["labelSelector"] for r in server.asked} == {"a=b"}


async def test_a_list_whose_snapshot_expires_is_begun_again(server: Scripted, rest: RestClient) -> None:
    server.answers = [page("7", "a", token="next"), status.Expired("too old"), page("9", "b")]
    found = await rest.list(CONFIGMAPS)
    assert ([i["metadata"]["name"] for i in found.items], found.resource_version) == (["b"], "9")


async def test_a_watch_tells_each_frame_however_long(server: Scripted, rest: RestClient) -> None:
    big = "x" * 1_500_000
    frames = b"".join(b'{"type":"ADDED","object":{"data":"%b"}}\n' % data.encode() for data in ("a", big))
    server.answers = [web.Response(body=frames)]
    found = [obj["data"] async for _, obj in rest.watch(CONFIGMAPS, resource_version="5")]
    assert found == ["a", big]
    assert server.asked[0].query["resourceVersion"] == "5"


async def test_a_watch_that_is_refused_or_cut_says_so(server: Scripted, rest: RestClient) -> None:
    server.answers = [status.Expired("too old"), None]
    with pytest.raises(status.Expired):
        _ = [frame async for frame in rest.watch(CONFIGMAPS)]
    with pytest.raises(ApiUnavailable):
        _ = [frame async for frame in rest.watch(CONFIGMAPS)]


async def test_a_guarded_client_reads_but_writes_only_while_it_may(server: Scripted, rest: RestClient) -> None:
    may = [True]
    guarded = rest.guarded(lambda: may[0])
    server.answers = [POD]
    await guarded.create(PODS, POD, namespace="default")
    may[0] = False
    await guarded.get(PODS, "a", namespace="default")
    writes = [
        guarded.create(PODS, POD, namespace="default"),
        guarded.update(PODS, POD),
        guarded.patch(PODS, "a", {}, namespace="default"),
        guarded.delete(PODS, "a", namespace="default"),
        guarded.delete_collection(PODS, namespace="default"),
        guarded.bind("default", "a", "n"),
    ]
    for write in writes:
        with pytest.raises(MayNotWrite):
            await write
    assert [r.method for r in server.asked] == ["POST", "GET"]
    await rest.update(PODS, POD)


async def test_a_guarded_write_asks_again_before_it_is_tried_again(server: Scripted, rest: RestClient) -> None:
    may = iter([True, False])
    server.answers = [status.ServiceUnavailable("no store"), POD]
    with pytest.raises(MayNotWrite):
        await rest.guarded(lambda: next(may)).create(PODS, POD, namespace="default")
    assert len(server.asked) == 1


async def test_guarded_writes_that_wait_for_their_turn_are_not_sent_when_they_may_not_be_then(
    server: Scripted, rest: RestClient
) -> None:
    server.answers = [POD]
    guarded = rest.guarded(lambda: not server.asked)
    results = await asyncio.gather(*(guarded.update(PODS, POD) for _ in range(200)), return_exceptions=True)
    sent = [result for result in results if not isinstance(result, MayNotWrite)]
    assert sent == [POD] * len(sent)
    assert len(sent) == len(server.asked) < 64


async def test_a_deletion_names_its_conditions(server: Scripted, rest: RestClient) -> None:
    server.answers = [POD]
    conditions = {"uid": "u", "resource_version": "5"}
    await rest.delete(PODS, "a", namespace="default", grace_period_seconds=0, propagation_policy="Orphan", **conditions)
    assert b'"preconditions":{"uid":"u","resourceVersion":"5"}' in server.bodies[0]
    assert b'"gracePeriodSeconds":0,"propagationPolicy":"Orphan"' in server.bodies[0]


async def test_a_patch_may_hold_for_one_version_alone(server: Scripted, rest: RestClient) -> None:
    server.answers = [POD]
    await rest.patch(PODS, "a", {"metadata": {"labels": {}}}, namespace="default", resource_version="5")
    assert server.bodies == [b'{"metadata":{"labels":{},"resourceVersion":"5"}}']
    assert server.asked[0].headers["Content-Type"] == "application/merge-patch+json"
