"""Redis over TLS: with the right CA it works, with another one nothing is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from apiserver.store.base import StoreUnavailable
from apiserver.store.redis import RedisStore
from tests.integration.store.commits import commit_of
from tests.tls import certificates, secure_redis


@pytest.mark.parametrize("kind", ["door", "own"])
async def test_commits_travel_encrypted_to_a_server_that_the_ca_vouches_for(tmp_path: Path, kind: str) -> None:
    made = certificates(tmp_path / "pki")
    with secure_redis(kind, tmp_path / "redis", made) as url:
        store = RedisStore(url)
        assert await store.commit(commit_of("a")) == 1
        assert [entry.rv for entry in await store.outbox.wait(0, timeout_seconds=5)] == [1]
        await store.close()


@pytest.mark.parametrize("wrong", ["another CA", "another host", "no such file"])
async def test_a_server_that_the_ca_does_not_vouch_for_is_told_nothing(tmp_path: Path, wrong: str) -> None:
    made = certificates(tmp_path / "pki", hosts=("elsewhere.example",) if wrong == "another host" else ("127.0.0.1",))
    other = certificates(tmp_path / "other").ca
    with secure_redis("door", tmp_path / "redis", made) as url:
        trusted = {"another CA": other, "another host": made.ca, "no such file": tmp_path / "none"}[wrong]
        store = RedisStore(url.partition("?")[0] + f"?ca={trusted}")
        with pytest.raises(StoreUnavailable, match="can't be reached"):
            await store.commit(commit_of("a"))
        await store.close()
