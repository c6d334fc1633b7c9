"""One API server process: the parts, put together once, and their life from start to orderly end.

    store ── records ── app ── uvicorn          requests
      └── relay ── connection ── cache ── hub    changes

Start: the port is opened first, so that clients get a clear 503 and not a refused connection while the cache loads.
End: watches are closed, requests in flight get a few seconds, the relay gives its lease back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import uuid
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata
from typing import Any

import structlog
import uvicorn

from apiserver import admission, bootstrap
from apiserver.admission import SubscriptionAdmission
from apiserver.api.kinds.base import rules_for
from apiserver.api.resources import builtin
from apiserver.api.status import StatusError
from apiserver.authn import Authenticator
from apiserver.authn.authenticator import TokenFile
from apiserver.authz import StaticAuthorizer
from apiserver.cache import Cache
from apiserver.care.backup import Backup
from apiserver.care.desk import CareDesk
from apiserver.care.doctor import Doctor
from apiserver.care.repair import Repair
from apiserver.care.restore import Restore
from apiserver.care.rotation import Rotation
from apiserver.health import Health, HealthFile
from apiserver.history.changes import Changes
from apiserver.history.state import Snapshots
from apiserver.protocol import CertificateProtocol
from apiserver.rest.app import App
from apiserver.rest.documents import Documents
from apiserver.rest.endpoint import Endpoints
from apiserver.rest.healthz import Healthz
from apiserver.rest.logs import Logs
from apiserver.rest.metrics import Metrics
from apiserver.rest.present import Present
from apiserver.rest.reads import Reader
from apiserver.rest.records import Records
from apiserver.rest.subresources import SERVED, Subresources
from apiserver.rest.virtual import Virtual
from apiserver.settings import ServerSettings
from apiserver.store.base import StoredResource
from apiserver.store.footing import StreamView
from apiserver.store.keyring import Keyring
from apiserver.store.redis import RedisStore
from apiserver.store.seal import Sealer
from apiserver.subscriptions.access import Access
from apiserver.subscriptions.credentials import BusAddress, CredentialDesk
from apiserver.subscriptions.keeper import Keeper
from apiserver.subscriptions.live import LiveStatus
from apiserver.subscriptions.spec import SUBSCRIPTIONS
from apiserver.watch import WatchHub, WatchSettings
from broker.connection import Connection
from broker.login import UrlLogin
from broker.nkeys import KeyPair
from broker.relay import Relay, RelaySettings
from broker.stream import StreamSettings, known_end, serve_state

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS = 3
BOOTSTRAP_RETRY_SECONDS = 0.2
CAUGHT_UP_SECONDS = 20.0
"""How long a restored record may take to be loaded before whoever restored it is told that it is there."""


class _Uvicorn(uvicorn.Server):
    """Signals are the process's own business, not the HTTP server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def drop_connections(self) -> None:
        """What is left after the graceful end: clients that do not read, or do not answer the end of TLS."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Server:
    """Everything of one API server. `run` returns after `stop` was called and all is closed."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self.port = settings.port
        """The port that is listened on; of a free one, known once `run` has opened it."""
        self._stopping = asyncio.Event()
        self._endpoints = Endpoints(builtin(SERVED))
        self._store = RedisStore(
            settings.redis_url.get_secret_value(),
            cluster=settings.cluster_name,
            outbox_limit_entries=settings.outbox_limit_entries,
            stream=StreamView(
                end=lambda: known_end(self._connection),
                seen=lambda: self._cache.rv,
                max_message_bytes=lambda: self._connection.max_payload,
            ),
        )
        self._connection = Connection(settings.nats_url.get_secret_value(), name="apiserver")
        self._stream_settings = stream = StreamSettings(
            max_age_seconds=settings.stream_max_age_seconds,
            max_bytes=settings.stream_max_bytes,
            replicas=settings.replicas,
        )
        holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        relaying = RelaySettings(margin=min(RelaySettings().margin, settings.outbox_limit_entries // 4))
        self._relay = Relay(self._connection, self._store.outbox, stream, holder=holder, settings=relaying)
        keys = _keyring(settings)
        self._sealer = Sealer(keys.load(), reload=keys.load)
        self._cache = Cache(self._store, self._connection, sealer=self._sealer, fields_of=self._fields_of)
        watching = WatchSettings(max_lag_bytes=settings.watch_lag_limit_bytes)
        self._hub = WatchHub(self._cache, self._connection, watching)
        self._health = Health(self._store, self._connection, self._cache, self._relay)
        self._sightings: dict[str, datetime] = {}
        self._app = self._build_app()

    def _fields_of(self, stored: StoredResource) -> Any:
        endpoint = self._endpoints.stored_as(stored)
        return rules_for(stored.group, endpoint.kind if endpoint else "").selectable_fields

    def _build_app(self) -> App:
        s = self._settings
        authenticator = Authenticator(TokenFile(s.token_auth_file) if s.token_auth_file else None)
        authorizer = StaticAuthorizer()
        connected = self._connection
        present = Present(self._store, self._cache, bus_connected=lambda: connected.connected)
        records = Records(self._store, self._cache, self._sealer, catch_up=present.reach)
        access = Access(authorizer)
        self._admission = admission.chain(
            records,
            service_cluster_ip_range=s.service_cluster_ip_range,
            subscriptions=SubscriptionAdmission(access, self._endpoints.registry, self._store.current_rv),
        )
        self._records = records
        reader = Reader(
            records,
            present,
            self._cache,
            self._hub,
            Snapshots(connected, self._cache, self._sealer),
            live={SUBSCRIPTIONS: LiveStatus(connected, self._sightings).fill},
        )
        desk = CredentialDesk(connected, _seed_of(s), _bus_address(s), access)
        self._care = self._build_care(records)
        self._changes = Changes(connected, lambda: self._endpoints.registry, self._sealer, access, present)
        return App(
            authenticator=authenticator,
            authorizer=authorizer,
            admission=self._admission,
            endpoints=self._endpoints,
            records=records,
            reader=reader,
            subresources=Subresources(records, reader, self._endpoints, Logs(self._connection), desk),
            virtual=Virtual(authenticator, authorizer, self._health.components),
            documents=Documents(
                self._endpoints.registry,
                version=metadata.version("backbeat"),
                server_address=lambda: f"{s.bind_address}:{self.port}",
            ),
            healthz=Healthz(self._health.readiness),
            extensions=[self._changes, self._care],
            uploads=[self._care],
            metrics=Metrics(),
            request_timeout_seconds=s.request_timeout_seconds,
        )

    def _build_care(self, records: Records) -> CareDesk:
        store, upkeep, connection = self._store, self._store.upkeep, self._connection

        async def caught_up(rv: int) -> bool:
            return await self._cache.wait_for(rv, timeout_seconds=CAUGHT_UP_SECONDS)

        return CareDesk(
            Doctor(store, upkeep, connection, self._sealer),
            Repair(store, upkeep, connection, caught_up=caught_up),
            Backup(store, upkeep, connection, cluster=self._settings.cluster_name),
            Restore(store, upkeep, connection, self._sealer, self._stream_settings, caught_up=caught_up),
            Rotation(store, records, self._endpoints, self._sealer),
        )

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop`. Raises OSError when the port cannot be opened."""
        listener = _listener(self._settings)
        http = _Uvicorn(self._http_config())
        self.port = listener.getsockname()[1]
        log.info("listening", address=self._settings.bind_address, port=self.port)
        try:
            async with asyncio.TaskGroup() as group:
                parts = [
                    group.create_task(self._connection.run(), name="connection"),
                    group.create_task(self._relay.run(), name="relay"),
                    group.create_task(self._cache.run(), name="cache"),
                    group.create_task(serve_state(self._connection), name="stream-state"),
                    group.create_task(self._keeper().run(), name="subscriptions"),
                    group.create_task(self._bootstrap(), name="bootstrap"),
                    group.create_task(HealthFile(self._settings.health_file, self._health).run(), name="health-file"),
                ]
                serving = group.create_task(http.serve(sockets=[listener]), name="http")
                await self._stopping.wait()
                http.should_exit = True
                self._hub.close()
                self._changes.close()
                self._care.close()
                await serving
                http.drop_connections()
                for part in parts:
                    part.cancel()
        finally:
            await self._connection.close()
            await self._store.close()

    def _keeper(self) -> Keeper:
        return Keeper(
            self._connection,
            self._cache,
            self._records,
            self._endpoints,
            self._admission,
            leading=lambda: self._relay.leading,
            sightings=self._sightings,
        )

    async def _bootstrap(self) -> None:
        while True:
            try:
                await self._cache.wait_ready()
                await bootstrap.ensure(self._records, self._endpoints, self._admission)
            except StatusError as err:
                log.info("bootstrap waits", reason=err.message)
                await asyncio.sleep(BOOTSTRAP_RETRY_SECONDS)
            else:
                self._health.bootstrapped = True
                return

    def _http_config(self) -> uvicorn.Config:
        s = self._settings
        return uvicorn.Config(
            self._app,
            http=CertificateProtocol,
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=4096,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            ssl_certfile=str(s.tls_cert_file),
            ssl_keyfile=str(s.tls_private_key_file),
            ssl_ca_certs=str(s.client_ca_file) if s.client_ca_file else None,
            ssl_cert_reqs=ssl.CERT_OPTIONAL if s.client_ca_file else ssl.CERT_NONE,
        )


def _keyring(settings: ServerSettings) -> Keyring:
    given = settings.secrets_keys
    return Keyring(settings.secrets_key_file, given.get_secret_value() if given is not None else "")


def _seed_of(settings: ServerSettings) -> KeyPair | None:
    """Raises BadKey."""
    file = settings.nats_listeners_seed_file
    return KeyPair.from_seed(file.read_text()) if file is not None else None


def _bus_address(settings: ServerSettings) -> BusAddress:
    """Raises OSError."""
    login, own = UrlLogin(settings.nats_url.get_secret_value()), settings.nats_ca_file
    return BusAddress(settings.nats_public_urls or login.public_urls, own.read_text() if own else login.authority)


def _listener(settings: ServerSettings) -> socket.socket:
    if settings.listen_fd is None:
        return _listen(settings.bind_address, settings.port)
    family = socket.AF_INET6 if ":" in settings.bind_address else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=settings.listen_fd)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With the protocol named, as asyncio sets TCP_NODELAY on no other: an answer's second write would wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as err:
        listener.close()
        raise OSError(err.errno, f"cannot listen on {address}:{port}: {err.strerror}") from err
    listener.set_inheritable(False)
    return listener


async def serve(settings: ServerSettings) -> None:
    """Run one server until SIGTERM or SIGINT."""
    server = Server(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.run()
