"""Listen to a control plane: what a user of this library imports.

    async with subscribe("audit-trail") as cursor:          # the Subscription, as the user of the kubeconfig
        async for change in listen(cursor):                 # 1. every change, in order
            print(change.rv, change.type, change.key)
            await cursor.acknowledge(change)

        await by_key(cursor, handle)                        # 2. a handler per object, acknowledged when it is done

        async for change in follow(cursor):                 # 4. what exists, then what changes
            ...

    async with Api.of_kubeconfig() as api:
        async for change in replay(api, ["pods"], first=1200, last=1300):        # 3. a bounded stretch, again
            ...

A Subscription is an object of the API, made with `kubectl apply`. Its cursor is kept by the broker: a process that ends
in whatever way is followed by one that goes on behind the last acknowledgement. What is promised, and what handlers
must bear, stands in `broker.cursor`. Each Subscription is for one process at a time.

`subscribe` asks the API server for credentials, and for new ones at half of their life; while no API server answers it
goes on with those it has, for up to `lifetime_seconds`. `opened` takes credentials that somebody else asked for, and
ends with CredentialsExpired when they do. What ends a listening:

CursorLost            retention passed the cursor: changes were missed. Forget what you know: follow(cursor, fresh=True)
ApiRefused            403: may no longer watch what is selected; 404: the Subscription was deleted
HistoryReplaced       the control plane was restored from a backup: the same as after CursorLost, with a new Cursor
CredentialsExpired    of `opened` only
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from urllib.parse import quote

import orjson
import structlog

from broker import snapshot
from broker.api import Api, ApiAway, ApiError, ApiRefused
from broker.by_key import by_key
from broker.change import Change, Key
from broker.connection import Connection
from broker.cursor import Cursor, TakeSnapshot
from broker.errors import HistoryReplaced
from broker.grant import BadGrant, Grant, GrantLogin
from broker.labels import matcher
from broker.logs import yield_to_the_program
from broker.nkeys import KeyPair
from broker.snapshot import Snapshot
from broker.subscriber import CursorLost, Subscriber
from broker.tasks import unwrapped

__all__ = [
    "Api",
    "ApiAway",
    "ApiError",
    "ApiRefused",
    "BadGrant",
    "Change",
    "CredentialsExpired",
    "Cursor",
    "CursorLost",
    "Grant",
    "HistoryReplaced",
    "Key",
    "Snapshot",
    "by_key",
    "follow",
    "listen",
    "opened",
    "replay",
    "subscribe",
]

log = structlog.get_logger(__name__)

LIFETIME_SECONDS = 24 * 3600
"""Of credentials: how long a subscriber may be without an API server. At most a week."""
ASK_AGAIN_SECONDS = 5.0
"""While the broker does not let the subscriber in, the API server is asked whether the Subscription is still there."""
_HEADERS = {"time": "Backbeat-Time", "received": "Backbeat-Received", "traceparent": "traceparent"}


class CredentialsExpired(Exception):
    """The credentials are at their end, and nobody here can ask for new ones."""


def listen(cursor: Cursor) -> AsyncGenerator[Change, None]:
    """Every change that the Subscription selects, from the cursor on, without end. Say what is done with
    `cursor.acknowledge(change)`, for each or now and then. Raises CursorLost."""
    return cursor.changes()


def follow(cursor: Cursor, *, fresh: bool = False) -> AsyncGenerator[Change, None]:
    """What exists, as changes of type ADDED, then what changes, without a gap and without an end.

    What exists comes first where the Subscription starts from Everything and this was not done yet, or where `fresh` is
    said: at the first start of who keeps no state, and after CursorLost. It is done once all of it is acknowledged; a
    process that dies before that begins with it again. It does not tell what was deleted since an earlier snapshot.
    Raises CursorLost, ApiError.
    """
    return cursor.snapshot_then_changes(fresh=fresh)


@asynccontextmanager
async def subscribe(
    name: str, api: Api | None = None, *, lifetime_seconds: int = LIFETIME_SECONDS
) -> AsyncIterator[Cursor]:
    """The cursor of a Subscription, for the length of a block. `api` is open already, or the usual kubeconfig's. Waits
    for the broker as long as it takes. Raises ApiError, BadKubeconfig."""
    yield_to_the_program()
    async with nullcontext(api) if api is not None else Api.of_kubeconfig() as asked:
        key = KeyPair.new("user")
        login = GrantLogin(await asked.grant(name, key, lifetime_seconds=lifetime_seconds))
        connection = Connection(login, name=f"subscriber-{name}")

        async def take_snapshot() -> Snapshot:
            return await snapshot.take(asked, (await asked.subscription(name))["spec"])

        async def renew() -> None:
            """Never returns. Raises ApiRefused, BadGrant."""
            while True:
                await _until_due(login.grant, cursor)
                try:
                    login.grant = await asked.grant(name, key, lifetime_seconds=lifetime_seconds)
                except ApiAway as err:
                    log.info("credentials are not renewed now", subscription=name, reason=str(err))
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
                    continue
                cursor.select(matcher(login.grant.label_selector))

        cursor = _cursor(connection, login.grant, take_snapshot)
        async with unwrapped(), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(renew(), name=f"renew-{name}"),
                group.create_task(connection.run(), name=f"connection-{name}"),
            ]
            try:
                yield cursor
            finally:
                for task in tasks:
                    task.cancel()


async def _until_due(grant: Grant, cursor: Cursor) -> None:
    """Half of the life is over, or the broker has nothing for us: it does not say whether that is for good."""
    loop = asyncio.get_running_loop()
    due = loop.time() + grant.renew_in(time.time())
    waited = False
    while loop.time() < due:
        await asyncio.sleep(min(ASK_AGAIN_SECONDS, max(0.0, due - loop.time())))
        if waited and cursor.kept_waiting:
            return
        waited = cursor.kept_waiting


@asynccontextmanager
async def opened(grant: Grant, *, take_snapshot: TakeSnapshot | None = None) -> AsyncIterator[Cursor]:
    """The cursor that a grant is for, until the block or the grant ends. Waits for the broker as long as it takes.
    `take_snapshot` is for `follow`. Raises CredentialsExpired."""
    yield_to_the_program()
    connection = Connection(GrantLogin(grant), name=f"subscriber-{grant.consumer}")

    async def expire() -> None:
        while not grant.expires_at or (left := grant.expires_at - time.time()) > 0:
            await asyncio.sleep(min(left, 3600.0) if grant.expires_at else 3600.0)
        raise CredentialsExpired(f"the credentials for {grant.consumer} ended at {time.ctime(grant.expires_at)}")

    async with unwrapped(), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(expire(), name=f"expiry-{grant.consumer}"),
            group.create_task(connection.run(), name=f"connection-{grant.consumer}"),
        ]
        try:
            yield _cursor(connection, grant, take_snapshot)
        finally:
            for task in tasks:
                task.cancel()


def _cursor(connection: Connection, grant: Grant, take_snapshot: TakeSnapshot | None) -> Cursor:
    return Cursor(
        Subscriber(connection, name=grant.consumer),
        matches=matcher(grant.label_selector),
        snapshot_first=grant.snapshot_first,
        take_snapshot=take_snapshot,
    )


async def replay(
    api: Api,
    resources: Sequence[str] = (),
    *,
    first: int | None = None,
    last: int | None = None,
    since: str = "",
    namespace: str = "",
) -> AsyncGenerator[Change, None]:
    """Every change in a stretch of the past, once and in order; no cursor moves.

    `resources` are names as kubectl takes them (`pods`, `deploy/web`), none means all; `first` and `last` are
    resourceVersions, both included; `since` is a duration (`10m`) or a time, instead of `first`. Without `last` it ends
    with the present. Raises ApiRefused: 403 where the user may not watch that, 410 where the stream no longer holds it;
    ApiAway where the answer breaks off: then begin again behind the last one that came.
    """
    bounds = {"from": str(first or ""), "to": str(last or ""), "since": since, "namespace": namespace}
    query = {"resource": list(resources), **{key: value for key, value in bounds.items() if value}}
    async with contextlib.aclosing(api.lines("/backbeat/changes", query)) as lines:
        async for line in lines:
            yield _told(line)


def _told(line: bytes) -> Change:
    """A line of /backbeat/changes as the change that it tells of, with the body as it was published."""
    told = orjson.loads(line)
    if told.get("type") == "ERROR":
        status = told["object"]
        raise ApiRefused(int(status.get("code", 500)), str(status.get("reason", "")), str(status.get("message", "")))
    headers = {header: str(told[key]) for key, header in _HEADERS.items() if key in told}
    if "actor" in told:
        headers["Backbeat-Actor"] = quote(told["actor"], safe=":@/.-_ ")
    if "published" in told:
        headers["Nats-Time-Stamp"] = told["published"]
    body = line.rstrip(b"\n").partition(b',"frame":')[2][:-1]
    return Change(told["resourceVersion"], told["subject"], body, headers)
