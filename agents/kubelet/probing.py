"""Ask a container once: httpGet, tcpSocket, exec. What a probe and a lifecycle hook have in common.

An answer is a `Verdict`: good or not, with the words that the Event shows. grpc is answered as a failure that says so.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from agents.kubelet.runtime import ContainerId, Runtime, RuntimeFailure

Obj = dict[str, Any]

USER_AGENT = "kube-probe/1.36"
MAX_BODY = 10 * 1024
MAX_REDIRECTS = 10
GRPC_REFUSED = "grpc probes are not supported by this kubelet; use httpGet, tcpSocket or exec"


@dataclass(frozen=True, slots=True)
class Verdict:
    good: bool
    output: str = ""
    errored: bool = False  # it could not be asked at all


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is asked."""

    runtime: Runtime
    container: ContainerId
    spec: Obj
    pod_ip: str


async def ask(target: Target, handler: Obj, *, timeout_seconds: float) -> Verdict:
    """`handler` holds one of exec, httpGet, tcpSocket, grpc."""
    if "exec" in handler:
        return await _exec(target, handler["exec"].get("command") or [], timeout_seconds)
    if "httpGet" in handler:
        return await _http(target, handler["httpGet"], timeout_seconds)
    if "tcpSocket" in handler:
        return await _tcp(target, handler["tcpSocket"], timeout_seconds)
    if "grpc" in handler:
        return Verdict(False, GRPC_REFUSED, errored=True)
    return Verdict(False, "missing probe handler", errored=True)


async def _exec(target: Target, command: list[str], timeout_seconds: float) -> Verdict:
    try:
        result = await target.runtime.exec_sync(target.container, command, timeout_seconds=timeout_seconds)
    except RuntimeFailure as err:
        return Verdict(False, str(err), errored=True)
    if result.timed_out:
        return Verdict(False, f'command "{" ".join(command)}" timed out')
    return Verdict(result.exit_code == 0, result.output.decode("utf-8", "replace"))


async def _tcp(target: Target, handler: Obj, timeout_seconds: float) -> Verdict:
    try:
        host, port = handler.get("host") or target.pod_ip, port_number(target.spec, handler["port"])
    except LookupError as err:
        return Verdict(False, str(err), errored=True)
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Verdict(False, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as err:
        return Verdict(False, f"dial tcp {host}:{port}: connect: {_why(err)}")
    writer.close()
    return Verdict(True)


async def _http(target: Target, handler: Obj, timeout_seconds: float) -> Verdict:
    try:
        url = _url(target, handler)
    except LookupError as err:
        return Verdict(False, str(err), errored=True)
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    headers |= {h["name"]: h.get("value") or "" for h in handler.get("httpHeaders") or ()}
    try:
        async with asyncio.timeout(timeout_seconds), _session() as session:
            return await _get(session, url, headers)
    except TimeoutError:
        return Verdict(
            False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        )
    except aiohttp.ClientConnectorError as err:
        place = urlsplit(url).netloc
        return Verdict(False, f'Get "{url}": dial tcp {place}: connect: {_why(err.os_error)}')
    except (aiohttp.ClientError, OSError, ValueError) as err:
        return Verdict(False, f'Get "{url}": {str(err) or type(err).__name__}')


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False, force_close=True), auto_decompress=False)


async def _get(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> Verdict:
    """200 to 399 is good. Redirects to the same host are followed; one that leads elsewhere counts as it is."""
    for _ in range(MAX_REDIRECTS):
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            body = await answer.content.read(MAX_BODY)
            place = answer.headers.get("Location", "")
            if 300 <= answer.status < 400 and place:
                there = answer.url.join(type(answer.url)(place))
                if there.host == answer.url.host:
                    url = str(there)
                    continue
            if 200 <= answer.status < 400:
                return Verdict(True, body.decode("utf-8", "replace"))
            return Verdict(False, f"HTTP probe failed with statuscode: {answer.status}")
    return Verdict(False, f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')


def _url(target: Target, handler: Obj) -> str:
    host = handler.get("host") or target.pod_ip
    port = port_number(target.spec, handler["port"])
    path = handler.get("path") or "/"
    scheme = str(handler.get("scheme") or "HTTP").lower()
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/{path.removeprefix('/')}"


def port_number(spec: Obj, port: int | str) -> int:
    """A number, or the name of one of the container's ports. Raises LookupError."""
    if isinstance(port, int):
        return port
    for known in spec.get("ports") or ():
        if known.get("name") == port:
            return int(known["containerPort"])
    if port.isdigit():
        return int(port)
    raise LookupError(f"port {port} not found in container {spec['name']}")


def _why(err: OSError) -> str:
    # The number and not the text, which asyncio decorates.
    return (os.strerror(err.errno) if err.errno and err.errno > 0 else err.strerror or str(err)).lower()
