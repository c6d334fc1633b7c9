"""What /livez, /readyz and /healthz say, to anybody who asks."""

import pytest

from apiserver.rest.healthz import Healthz
from apiserver.rest.http import Response
from apiserver.rest.request import Query


class Parts:
    """What readiness says, for a test to change."""

    def __init__(self) -> None:
        self.state = {"store": "", "bus": ""}

    async def __call__(self) -> dict[str, str]:
        return self.state


async def get(parts: Parts, path: str, query: bytes = b"") -> Response:
    answer = await Healthz(parts).serve(path, Query(query))
    assert answer is not None
    return answer


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/readyz/", "/livez/ping", "/readyz/store"])
async def test_what_is_well_says_ok_and_no_more(path: str) -> None:
    answer = await get(Parts(), path)
    assert (answer.status, answer.body) == (200, b"ok")


async def test_checks_are_named_when_asked_for() -> None:
    answer = await get(Parts(), "/readyz", b"verbose")
    assert answer.body == b"[+]ping ok\n[+]store ok\n[+]bus ok\nreadyz check passed\n"


async def test_a_check_can_be_left_out() -> None:
    parts = Parts()
    parts.state["bus"] = "not connected"
    answer = await get(parts, "/readyz", b"verbose&exclude=bus")
    assert (answer.status, answer.body) == (200, b"[+]ping ok\n[+]store ok\nreadyz check passed\n")


async def test_what_failed_is_named_and_its_reason_is_kept_for_those_who_may_know() -> None:
    parts = Parts()
    parts.state["bus"] = "not connected to nats://user@host"
    answer = await get(parts, "/readyz")
    told = b"[+]ping ok\n[+]store ok\n[-]bus failed: reason withheld\nreadyz check failed\n"
    assert (answer.status, answer.body) == (500, told)
    assert (await get(parts, "/readyz/bus")).status == 500
    assert (await get(parts, "/readyz/store")).status == 200
    assert (await get(parts, "/livez")).status == 200


@pytest.mark.parametrize("path", ["/readyz/nothing", "/livez/store", "/health", "/"])
async def test_a_check_that_there_is_not_is_no_path(path: str) -> None:
    assert await Healthz(Parts()).serve(path, Query(b"")) is None
