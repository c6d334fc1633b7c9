"""What the API server's user may do in Redis, and what nobody else may."""

from __future__ import annotations

import stat

import pytest
import redis

from apiserver.store.redis import RedisStore
from deploy.health import Probe
from tests.integration.store.commits import commit_of
from tests.servers import Redis


def refused(url: str, *command: str) -> str:
    """What Redis says to it."""
    with redis.Redis.from_url(url) as client, pytest.raises(redis.exceptions.RedisError) as caught:
        client.execute_command(*command)
    return str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "{other}:rv"),
        ("SET", "{backbeat", "x"),
        ("EVAL", "return redis.call('GET', 'elsewhere')", "0"),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "dir", "/var"),
        ("ACL", "LIST"),
        ("REPLICAOF", "10.0.0.1", "6379"),
        ("SAVE",),
        ("MODULE", "LIST"),
        ("SHUTDOWN",),
        ("PUBLISH", "a", "b"),
        ("CLIENT", "LIST"),
        ("DUMP", "{backbeat}:rv"),
        ("MIGRATE", "h", "1", "{backbeat}:rv", "0", "1"),
    ],
    ids=" ".join,
)
def test_the_api_servers_user_reaches_nothing_but_its_own_keys(redis_server: Redis, command: tuple[str, ...]) -> None:
    said = refused(redis_server.url, *command)
    assert "permission" in said or "can't access" in said


async def test_nobody_comes_in_without_the_password(redis_server: Redis) -> None:
    socket = redis_server.server.socket
    assert "Authentication required" in refused(f"unix://{socket}?protocol=2", "PING")
    assert "invalid username-password" in refused(f"unix://backbeat:wrong@{socket}", "PING")
    assert "invalid username-password" in refused(f"unix://default:only%20for%20tests@{socket}", "PING")
    store = RedisStore(redis_server.url)
    assert await store.commit(commit_of("a")) == 1
    await store.close()


def test_whoever_asks_whether_the_server_serves_learns_that_alone(redis_server: Redis) -> None:
    assert Probe(redis=str(redis_server.server.socket)).ask(started_at=0.0).ok
    url = f"unix://probe:anything@{redis_server.server.socket}"
    with redis.Redis.from_url(url) as client:
        assert client.execute_command("PING") is True
    assert "permission" in refused(url, "GET", "{backbeat}:rv")
    assert "permission" in refused(url, "INFO")


def test_the_configuration_is_for_its_owner_and_holds_no_password(redis_server: Redis) -> None:
    config = redis_server.server.config_path
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert redis_server.server.password not in config.read_text()
