"""Subscriptions on real servers, and subscribers that use nothing but what POST …/credentials answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from broker.change import Change
from broker.connection import Connection
from broker.credentials import Credentials
from broker.nkeys import KeyPair
from broker.subscriber import Subscriber
from tests.integration.rest.client import Answer, Client, Obj, config_map, path_of
from tests.integration.rest.server import Stack, TestServer

T = TypeVar("T")

GROUP = "broker.backbeat.dev"
SUBSCRIPTIONS = path_of("", "subscriptions", group=GROUP)
CONFIG_MAPS = {"group": "", "resource": "configmaps"}
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


class Bus(Stack):
    """Redis, NATS and an API server that signs credentials. As a context it is gone at the end."""

    def another_server(self, **settings: object) -> TestServer:
        return super().another_server(nats_listeners_seed_file=self.nats.seed_file, **settings)

    def __enter__(self) -> Bus:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def client(self) -> Client:
        return Client(self.server.port, self.server.tls, self.server.token())

    @contextlib.asynccontextmanager
    async def owner(self) -> AsyncIterator[Connection]:
        """Whoever owns the broker: may look at everything."""
        async with Connection(self.nats.url, name="owner").running() as connection:
            yield connection


class Holder:
    """A `Login` with what an API server answered."""

    def __init__(self, told: Obj, seed: str = "") -> None:
        self._servers = told["servers"]
        self._credentials = Credentials(told["jwt"], seed) if seed else Credentials.parse(told["credentials"])

    async def servers(self) -> list[str]:
        return list(self._servers)

    def credentials(self) -> Credentials:
        return self._credentials

    def tls(self) -> None:
        return None


def subscription(name: str, *resources: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Subscription",
        "metadata": {"name": name},
        "spec": {"resources": list(resources) or [CONFIG_MAPS], **spec},
    }


def subscribe(api: Client, name: str, *resources: Obj, **spec: Any) -> Obj:
    """Make one, and have it when its consumer is there and that is written down."""
    api.make(SUBSCRIPTIONS, subscription(name, *resources, **spec))
    _wait_for_stored(api, name, lambda status: bool(status.get("conditions")), what="conditions")
    return wait_until(lambda: condition(api, name, "Ready") == "True" and read_subscription(api, name), what="Ready")


def read_subscription(api: Client, name: str) -> Obj:
    answer = api.get(f"{SUBSCRIPTIONS}/{name}")
    assert answer.status == 200, answer.body
    found: Obj = answer.json
    return found


def condition(api: Client, name: str, kind: str) -> str:
    conditions = read_subscription(api, name).get("status", {}).get("conditions", ())
    return next((str(c["status"]) for c in conditions if c["type"] == kind), "")


def ask(api: Client, name: str, **spec: Any) -> Answer:
    """For credentials."""
    asked = {"apiVersion": f"{GROUP}/v1", "kind": "SubscriptionCredentials", "spec": spec}
    return api.post(f"{SUBSCRIPTIONS}/{name}/credentials", asked)


def granted(api: Client, name: str, **spec: Any) -> Obj:
    answer = ask(api, name, **spec)
    assert answer.status == 201, answer.body
    told: Obj = answer.json["status"]
    return told


def row(api: Client, name: str) -> dict[str, Any]:
    """As `kubectl get subscriptions -o wide` shows it."""
    table = api.get(f"{SUBSCRIPTIONS}/{name}", headers={"Accept": TABLE}).json
    names = [column["name"] for column in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


def write(api: Client, namespace: str, count: int, *, prefix: str = "c", size: int = 1) -> list[int]:
    """That many ConfigMaps; their resourceVersions."""
    made = [
        api.make(path_of(namespace, "configmaps"), config_map(f"{prefix}{number}", text="x" * size))
        for number in range(count)
    ]
    return [int(one["metadata"]["resourceVersion"]) for one in made]


@contextlib.asynccontextmanager
async def listener(told: Obj, key: KeyPair | None = None) -> AsyncIterator[Connection]:
    async with Connection(Holder(told, key.seed if key else ""), name="listener").running() as connection:
        yield connection


async def take(connection: Connection, consumer: str, count: int, *, acknowledge: int | None = None) -> list[Change]:
    """Attach, take so many changes, acknowledge up to `acknowledge` (-1: all that were taken), and go."""
    subscriber = Subscriber(connection, name=consumer, filters=[])
    found: list[Change] = []
    async with asyncio.timeout(30), contextlib.aclosing(subscriber.changes()) as changes:
        async for change in changes:
            found.append(change)
            if len(found) == count:
                break
        if acknowledge is not None:
            assert await subscriber.acknowledge_surely(found[-1].rv if acknowledge == -1 else acknowledge)
    return found


def wait_for_checkpoint(api: Client, name: str, rv: int) -> None:
    _wait_for_stored(api, name, lambda status: status.get("acknowledged") == rv, what=f"a checkpoint at {rv}")


def _wait_for_stored(api: Client, name: str, is_so: Callable[[Obj], bool], *, what: str) -> None:
    """A watch tells what is stored, where a GET tells what is so at the moment."""
    selected = f"metadata.name={name}"
    with api.watch(SUBSCRIPTIONS, watch=1, timeoutSeconds=60, fieldSelector=selected) as frames:
        while (frame := frames.next()) is not None:
            if is_so(frame["object"].get("status", {})):
                return
    raise TimeoutError(f"{what} of {name} not reached")


def rvs(changes: list[Change]) -> list[int]:
    return [change.rv for change in changes]


def wait_until(condition: Callable[[], T], *, timeout_seconds: float = 40.0, what: str = "condition") -> T:
    """The first true answer. Raises TimeoutError that names what was waited for."""
    deadline = time.monotonic() + timeout_seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not reached in {timeout_seconds} s")
        time.sleep(0.05)
    return answer
