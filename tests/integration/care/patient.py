"""A control plane that can be broken, and what is told of it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from broker.connection import Connection
from broker.errors import StreamMissing
from broker.publisher import EXPECTED
from deploy import identities
from deploy.identities import Identity
from deploy.kubeconfig import write_kubeconfig
from tests.integration.rest.client import Client, Obj, config_map, path_of
from tests.integration.rest.server import Stack, TestServer
from tests.servers import wait_until

T = TypeVar("T")

SUBSCRIPTIONS = "/apis/broker.backbeat.dev/v1/subscriptions"


class Patient(Stack):
    """As a context it is started at the beginning and gone at the end."""

    def __init__(self, directory: Path, **settings: object) -> None:
        super().__init__(directory, **settings)
        self.directory = directory

    def another_server(self, **settings: object) -> TestServer:
        return super().another_server(nats_listeners_seed_file=self.nats.seed_file, **settings)

    def __enter__(self) -> Patient:
        self.start()
        self.api = self.client()
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self.close()

    def client(self, who: Identity = identities.ADMIN) -> Client:
        return Client(self.server.port, self.server.tls, self.server.token(who))

    def kubeconfig(self, who: Identity = identities.ADMIN) -> Path:
        path = self.directory / f"{who.name}-{self.server.port}.kubeconfig"
        write_kubeconfig(
            path,
            server=self.server.url,
            ca_pem=self.server.pki.ca.read_bytes(),
            user=who.user,
            token=self.server.token(who),
        )
        return path

    def restart(self, *, wait: bool = True, **settings: object) -> None:
        """Another API server takes over."""
        self.server.stop()
        self.api.close()
        self.server = self.another_server(**settings)
        self.server.start(wait=wait)
        if not wait:
            wait_until(self.listens, timeout_seconds=30, what="the API server to listen")
        self.api = self.client()

    def listens(self) -> bool:
        client = self.client()
        try:
            return client.get("/livez").status in (200, 500)
        except OSError:
            return False
        finally:
            client.close()

    # what is told

    def told(self, method: str, path: str, **query: Any) -> list[Obj]:
        answer = self.api.request(method, path, **query)
        assert answer.status == 200, answer.body
        return [line for raw in answer.body.splitlines() if "progress" not in (line := json.loads(raw))]

    def doctor(self) -> dict[str, Obj]:
        """Each check by its name, and `end`."""
        *checks, end = self.told("GET", "/backbeat/doctor")
        return {**{one["check"]: one for one in checks}, **end}

    def well(self) -> None:
        """Everything is as it should be, now or soon."""
        found: dict[str, Obj] = {}

        def is_well() -> bool:
            nonlocal found
            found = self.doctor()
            return bool(found["end"]["ok"])

        try:
            wait_until(is_well, timeout_seconds=60, what="the patient to be well")
        except TimeoutError as err:
            raise AssertionError(found) from err

    def ill(self) -> dict[str, Obj]:
        """The checks that found something."""
        return {name: one for name, one in self.doctor().items() if not one["ok"] and name != "end"}

    def plan(self, **query: Any) -> list[Obj]:
        return self.told("GET", "/backbeat/repair", **query)

    def repair(self, **query: Any) -> list[Obj]:
        return self.told("POST", "/backbeat/repair", **query)

    def backup(self, **query: Any) -> bytes:
        answer = self.api.get("/backbeat/backup", **query)
        assert answer.status == 200, answer.body
        return answer.body

    def restore(self, backup: bytes, **query: Any) -> Any:
        return self.api.post("/backbeat/restore", backup, **query)

    # what there is

    def make(self, *names: str, **data: str) -> list[int]:
        """ConfigMaps, and their resourceVersions."""
        made = [self.api.make(path_of("default", "configmaps"), config_map(name, **data)) for name in names]
        return [int(one["metadata"]["resourceVersion"]) for one in made]

    def config_maps(self) -> dict[str, Obj]:
        items = self.api.get(path_of("default", "configmaps")).json["items"]
        return {one["metadata"]["name"]: one for one in items}

    def settled(self) -> int:
        """Everything is published. Gives the number."""
        numbers = 0, -1

        def even() -> bool:
            nonlocal numbers
            try:
                numbers = self.rv(), self.stream_end()
            except StreamMissing:
                return False
            return numbers[0] == numbers[1]

        wait_until(even, timeout_seconds=60, what="the stream at the record's number")
        return numbers[0]

    def rv(self) -> int:
        return int(self.redis.ask("GET", "{backbeat}:rv") or 0)

    def stream_end(self) -> int:
        return int(self.jetstream("STREAM.INFO.CHANGES")["state"]["last_seq"])

    def stream_first(self) -> int:
        return int(self.jetstream("STREAM.INFO.CHANGES")["state"]["first_seq"])

    def jetstream(self, question: str) -> Obj:
        return self._on_the_bus(lambda bus: bus.api(question))

    def _on_the_bus(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """As an API server."""

        async def connected() -> T:
            async with Connection(self.nats.url, name="test").running() as bus:
                return await work(bus)

        return asyncio.run(connected())

    def subscribe(self, name: str) -> None:
        self.api.make(SUBSCRIPTIONS, {"metadata": {"name": name}, "spec": {"resources": [{"resource": "configmaps"}]}})
        wait_until(lambda: self.subscription(name)["state"] == "Ready", timeout_seconds=30, what="the consumer")

    def subscription(self, name: str) -> Obj:
        found = self.api.get(f"{SUBSCRIPTIONS}/{name}").json
        conditions = {one["type"]: one["status"] for one in found.get("status", {}).get("conditions", ())}
        expired, ready = conditions.get("Expired") == "True", conditions.get("Ready") == "True"
        return {**found.get("status", {}), "state": "Expired" if expired else "Ready" if ready else "Pending"}

    def publish(self, subject: str, body: bytes, *, last: int) -> None:
        """As nobody but the relay should."""

        async def publish(bus: Connection) -> None:
            await bus.publish(subject, body, headers={EXPECTED: str(last)})
            await bus.flush()

        self._on_the_bus(publish)

    # what happens to it

    def forget_before(self, number: int) -> None:
        """As retention does. Nobody may do so by hand, so for a moment the stream keeps a single message."""

        async def forget(bus: Connection) -> None:
            config = (await bus.api("STREAM.INFO.CHANGES"))["config"]
            last = (await bus.api("STREAM.INFO.CHANGES"))["state"]["last_seq"]
            for bound in (last - number + 1, -1):
                await bus.api("STREAM.UPDATE.CHANGES", {**config, "max_msgs": bound})

        self._on_the_bus(forget)

    def old_redis(self) -> Path:
        """A copy of its disk."""
        self.redis.stop()
        copy = self.directory / "old-redis"
        shutil.copytree(self.redis.server.directory, copy)
        self.redis.start()
        return copy

    def put_back_redis(self, copy: Path | None) -> None:
        """None: an empty disk."""
        self.redis.stop()
        shutil.rmtree(self.redis.server.directory)
        if copy is not None:
            shutil.copytree(copy, self.redis.server.directory)
        self.redis.start()
