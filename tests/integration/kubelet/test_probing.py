"""One question to a container: over HTTP, TCP, by a command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.kubelet.probing import USER_AGENT, Target, Verdict, ask, port_number
from agents.kubelet.runtime import ContainerId, ExecResult, RuntimeFailure
from tests.servers import free_port

HOST = "127.0.0.1"


@dataclass
class Program:
    result: ExecResult | RuntimeFailure

    async def exec_sync(self, container: ContainerId, command: Sequence[str], *, timeout_seconds: float) -> ExecResult:
        if isinstance(self.result, RuntimeFailure):
            raise self.result
        return self.result


def target(program: Program | None = None, **spec: Any) -> Target:
    return Target(program, ContainerId("c"), {"name": "main", **spec}, HOST)  # type: ignore[arg-type]  # exec only


async def http(port: int, **more: Any) -> Verdict:
    return await ask(target(), {"httpGet": {"port": port, **more}}, timeout_seconds=0.5 if "slow" in str(more) else 10)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def answer(request: web.Request) -> web.Response:
        match request.path:
            case "/ok":
                return web.Response(text="fine")
            case "/headers":
                return web.json_response(dict(request.headers))
            case "/moved":
                return web.Response(status=302, headers={"Location": "/ok"})
            case "/elsewhere":
                return web.Response(status=302, headers={"Location": "http://example.com/"})
            case "/round":
                return web.Response(status=302, headers={"Location": "/round"})
            case "/slow":
                await asyncio.sleep(30)
        return web.Response(status=503, text="not yet")

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    made = TestServer(app)
    async with made:
        yield made


def port_of(server: TestServer) -> int:
    assert server.port is not None
    return server.port


@pytest.mark.parametrize(
    ("path", "good", "output"),
    [
        ("/ok", True, "fine"),
        ("/moved", True, "fine"),
        ("/elsewhere", True, ""),
        ("/down", False, "HTTP probe failed with statuscode: 503"),
    ],
)
async def test_http_answers(server: TestServer, path: str, good: bool, output: str) -> None:
    assert await http(port_of(server), path=path) == Verdict(good, output)


async def test_http_redirects_in_a_circle_end(server: TestServer) -> None:
    verdict = await http(port_of(server), path="/round")
    assert not verdict.good
    assert verdict.output.endswith("stopped after 10 redirects")


async def test_http_that_takes_too_long(server: TestServer) -> None:
    verdict = await http(port_of(server), path="/slow")
    assert verdict == Verdict(
        False,
        f'Get "http://{HOST}:{port_of(server)}/slow": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)",
    )


async def test_http_says_who_asks_and_carries_the_headers_of_the_probe(server: TestServer) -> None:
    verdict = await http(port_of(server), path="/headers", httpHeaders=[{"name": "X-Mine", "value": "1"}])
    assert USER_AGENT in verdict.output
    assert '"X-Mine": "1"' in verdict.output


async def test_nobody_listens() -> None:
    port = free_port()
    assert await http(port, path="/x") == Verdict(
        False, f'Get "http://{HOST}:{port}/x": dial tcp {HOST}:{port}: connect: connection refused'
    )
    verdict = await ask(target(), {"tcpSocket": {"port": port}}, timeout_seconds=10)
    assert verdict == Verdict(False, f"dial tcp {HOST}:{port}: connect: connection refused")


async def test_tcp_is_good_when_somebody_listens(server: TestServer) -> None:
    assert (await ask(target(), {"tcpSocket": {"port": port_of(server)}}, timeout_seconds=10)).good


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (ExecResult(0, b"yes"), Verdict(True, "yes")),
        (ExecResult(2, b"no"), Verdict(False, "no")),
        (ExecResult(137, b"", timed_out=True), Verdict(False, 'command "a b" timed out')),
        (RuntimeFailure("no program"), Verdict(False, "no program", errored=True)),
    ],
)
async def test_commands(result: ExecResult | RuntimeFailure, verdict: Verdict) -> None:
    assert await ask(target(Program(result)), {"exec": {"command": ["a", "b"]}}, timeout_seconds=1) == verdict


async def test_what_cannot_be_asked_is_no_answer() -> None:
    for handler in ({"grpc": {"port": 1}}, {}, {"tcpSocket": {"port": "none"}}, {"httpGet": {"port": "none"}}):
        assert (await ask(target(), handler, timeout_seconds=1)).errored


def test_ports_may_be_named() -> None:
    spec = {"name": "main", "ports": [{"name": "http", "containerPort": 8080}]}
    assert port_number(spec, "http") == 8080
    assert port_number(spec, 80) == 80
    assert port_number(spec, "81") == 81
    with pytest.raises(LookupError, match="port other not found in container main"):
        port_number(spec, "other")
