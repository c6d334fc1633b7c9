"""ConfigMaps and Secrets, also while the API server is away."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from agents.client.rest import ApiUnavailable
from agents.kubelet.sources import SourceMissing, Sources
from apiserver.api.status import Forbidden, InternalError, not_found
from tests.unit.agents.kubelet.builders import Obj

MAP = {
    "kind": "ConfigMap",
    "data": {"a": "1"},
    "binaryData": {"b": base64.b64encode(b"\xff").decode()},
}
SECRET = {"kind": "Secret", "data": {"a": base64.b64encode(b"hush").decode(), "empty": ""}}


class Server:
    def __init__(self, answer: Obj | Exception) -> None:
        self.answer = answer

    async def fetch(self, resource: str, namespace: str, name: str) -> Obj:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def sources(server: Server, folder: Path | None = None) -> Sources:
    return Sources(server.fetch, "default", folder)


async def test_values_are_bytes() -> None:
    assert await sources(Server(MAP)).data("configmaps", "m") == {"a": b"1", "b": b"\xff"}
    assert await sources(Server(SECRET)).data("secrets", "s") == {"a": b"hush", "empty": b""}


async def test_what_does_not_exist_is_missing_unless_it_is_optional() -> None:
    server = Server(not_found("configmaps", "", "m"))
    with pytest.raises(SourceMissing, match='configmap "m" not found'):
        await sources(server).data("configmaps", "m")
    assert await sources(server).data("configmaps", "m", optional=True) is None


async def test_a_refusal_is_shown() -> None:
    with pytest.raises(SourceMissing, match="may not"):
        await sources(Server(Forbidden("you may not"))).data("secrets", "s")


@pytest.mark.parametrize("away", [ApiUnavailable("away"), TimeoutError(), OSError("no route"), InternalError("x")])
async def test_without_the_api_server_the_last_one_known_is_taken(tmp_path: Path, away: Exception) -> None:
    server = Server(SECRET)
    await sources(server, tmp_path).data("secrets", "s")
    server.answer = away
    assert await sources(server, tmp_path).data("secrets", "s") == {"a": b"hush", "empty": b""}
    with pytest.raises(SourceMissing, match='cannot read secret "other"'):
        await sources(server, tmp_path).data("secrets", "other")


async def test_what_was_removed_is_not_served_from_the_disk(tmp_path: Path) -> None:
    server = Server(MAP)
    await sources(server, tmp_path).data("configmaps", "m")
    server.answer = not_found("configmaps", "", "m")
    with pytest.raises(SourceMissing):
        await sources(server, tmp_path).data("configmaps", "m")


async def test_secrets_on_disk_are_for_nobody_else(tmp_path: Path) -> None:
    await sources(Server(SECRET), tmp_path / "kept").data("secrets", "s")
    (file,) = (tmp_path / "kept").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
