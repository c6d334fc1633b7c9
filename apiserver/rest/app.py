"""The request path, on one screen.

    authenticate → authorize → find the resource → (decode → default → admit → validate → commit) → encode

Every error on the way is a `StatusError` and becomes an answer here, and only here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from apiserver.admission import Chain
from apiserver.api import status
from apiserver.authn import Authenticator, User
from apiserver.authn.impersonation import impersonation
from apiserver.authz import Attributes, Authorizer
from apiserver.authz.base import refusal
from apiserver.rest import deadline, http, request, warnings
from apiserver.rest.call import Call
from apiserver.rest.create import create
from apiserver.rest.delete import delete, delete_all, options_of
from apiserver.rest.documents import Documents
from apiserver.rest.endpoint import Endpoints
from apiserver.rest.healthz import Healthz
from apiserver.rest.http import Response, Stream, Style
from apiserver.rest.metrics import Metrics
from apiserver.rest.negotiation import Accepted, negotiate, wants_pretty, wants_yaml
from apiserver.rest.patch import patch
from apiserver.rest.reads import Reader, list_response
from apiserver.rest.records import Records
from apiserver.rest.request import HttpRequest, Query, RequestInfo, selected_name
from apiserver.rest.routes import no_such_path, not_allowed, route
from apiserver.rest.subresources import Subresources
from apiserver.rest.update import update
from apiserver.rest.virtual import Virtual

log = structlog.get_logger(__name__)

_NO_BODY = frozenset({"GET", "HEAD"})


@dataclass(slots=True)
class Exchange:
    """What is known of a request so far, for its answer and its metrics."""

    info: RequestInfo
    headers: Mapping[str, str]
    query: Query = field(default_factory=lambda: Query(b""))
    resource: str = ""
    """Of the path; empty until it is known to be served."""
    warnings: list[str] = field(default_factory=list)

    def style(self) -> Style:
        pretty = wants_pretty(self.query.text("pretty"), self.headers.get("user-agent", ""))
        return Style(wants_yaml(self.headers.get("accept", "")), pretty)


class Extension(Protocol):
    """Answers paths of its own below /backbeat/."""

    async def serve(self, incoming: HttpRequest, user: User) -> Response | Stream | None:
        """None for a path that is not its own."""
        ...


class Upload(Protocol):
    """Takes bodies that are too large to be read first, and that take as long as they take."""

    upload_path: str
    """Where they are POSTed to."""

    async def take(self, incoming: HttpRequest, pieces: AsyncIterator[bytes]) -> Response: ...


class App:
    """The ASGI application."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        admission: Chain,
        endpoints: Endpoints,
        records: Records,
        reader: Reader,
        subresources: Subresources,
        virtual: Virtual,
        documents: Documents,
        healthz: Healthz,
        extensions: Sequence[Extension],
        uploads: Sequence[Upload],
        metrics: Metrics,
        request_timeout_seconds: float,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._admission = admission
        self._endpoints = endpoints
        self._records = records
        self._reader = reader
        self._subresources = subresources
        self._virtual = virtual
        self._documents = documents
        self._healthz = healthz
        self._extensions = extensions
        self._uploads = {one.upload_path: one for one in uploads}
        self._metrics = metrics
        self._timeout = request_timeout_seconds

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(RequestInfo(verb="", path=scope["path"]), http.headers_of(scope))
        started, code = self._metrics.start(), 500
        try:
            answer = await self._answer(scope, receive, exchange)
            if isinstance(answer, Stream):
                code = 200
                await http.send_stream(send, receive, answer, abort=scope["state"]["abort"])
            else:
                code = answer.status
                answer.headers.extend(warnings.headers(exchange.warnings))
                head = scope["method"] == "HEAD"
                await http.send_response(send, answer, exchange.headers, style=exchange.style(), head=head)
        finally:
            self._metrics.finish(started, verb=exchange.info.verb, resource=exchange.resource, code=code)

    async def _answer(self, scope: http.Scope, receive: http.Receive, exchange: Exchange) -> Response | Stream:
        method, headers = scope["method"], exchange.headers
        try:
            exchange.query = query = Query.parse(scope["query_string"])
            exchange.info = info = request.parse(method, scope["raw_path"].decode("latin-1"), query)
            user = self._identify(scope, headers)
            self._authorize(user, info, query)
            if method == "POST" and (upload := self._uploads.get(info.path)) is not None:
                return await upload.take(HttpRequest(method, info, query, headers, b""), http.pieces(receive))
            seconds = deadline.seconds(query.text("timeout"), at_most=self._timeout)
            async with deadline.within(seconds):
                body = b"" if method in _NO_BODY else await http.read_body(receive, headers)
                return await self._route(HttpRequest(method, info, query, headers, body), user, exchange)
        except status.StatusError as err:
            return http.error_response(err)
        except Exception as err:
            log.exception("request failed", verb=exchange.info.verb, path=exchange.info.path)
            return http.error_response(status.internal_error(err))

    def _identify(self, scope: http.Scope, headers: Mapping[str, str]) -> User:
        """Who sends this, or whom the sender may act as. Raises Unauthorized, Forbidden."""
        user = self._authenticator.authenticate(headers.get("authorization"), scope["state"]["certificate"])
        wanted = impersonation(scope["headers"])
        if wanted is None:
            return user
        for one in wanted.needed():
            self._allow(
                Attributes(
                    user=user,
                    verb="impersonate",
                    group=one.group,
                    resource=one.resource,
                    subresource=one.subresource,
                    namespace=one.namespace,
                    name=one.name,
                )
            )
        return wanted.as_user()

    def _authorize(self, user: User, info: RequestInfo, query: Query) -> None:
        if info.resource:
            attributes = Attributes(
                user=user,
                verb=info.verb,
                group=info.group,
                version=info.version,
                resource=info.resource,
                subresource=info.subresource,
                namespace=info.namespace,
                name=selected_name(info, query),
            )
        else:
            attributes = Attributes(user=user, verb=info.verb, path=info.path)
        self._allow(attributes)

    def _allow(self, attributes: Attributes) -> None:
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision.reason)

    async def _route(self, incoming: HttpRequest, user: User, exchange: Exchange) -> Response | Stream:
        info = incoming.info
        if not info.resource:
            return await self._extend(incoming, user) or await self._describe(incoming)
        if info.group and info.group not in self._endpoints.registry.groups():
            return _unknown_path()
        endpoint = route(self._endpoints, info, incoming.method)
        exchange.resource = info.resource
        if endpoint.deprecation:
            exchange.warnings.append(endpoint.deprecation)
        call = Call(
            request=incoming,
            endpoint=endpoint,
            user=user,
            accepted=_accepted(info, incoming.headers),
            admission=self._admission,
            warnings=exchange.warnings,
        )
        return await self._dispatch(call)

    async def _extend(self, incoming: HttpRequest, user: User) -> Response | Stream | None:
        """Paths below /backbeat/, which Kubernetes does not have."""
        if incoming.info.path.startswith("/backbeat/"):
            for extension in self._extensions:
                found = await extension.serve(incoming, user)
                if found is not None:
                    return found
        return None

    async def _describe(self, incoming: HttpRequest) -> Response:
        """Paths that name no resource."""
        path, query = incoming.info.path, incoming.query
        found = await self._healthz.serve(path, query)
        if found is None and path == "/metrics":
            found = Response(self._metrics.text(), 200, Metrics.content_type)
        if found is None:
            found = await self._documents.serve(path, incoming.headers, query)
        if found is None and path.startswith("/api/"):
            raise no_such_path()
        if found is not None and incoming.method not in _NO_BODY:
            raise not_allowed()
        return found or _unknown_path()

    async def _dispatch(self, call: Call) -> Response | Stream:
        info = call.request.info
        if info.subresource:
            return await self._subresources.serve(call)
        if self._virtual.serves(info.resource):
            return await self._virtual.serve(call)
        if info.resource == "bindings":
            return await self._subresources.bind(call)
        match info.verb:
            case "get":
                return await self._reader.get(call)
            case "list":
                return await self._reader.list(call)
            case "watch":
                return await self._reader.watch(call)
            case "create":
                return await create(self._records, call)
            case "update":
                return await update(self._records, call)
            case "patch":
                return await patch(self._records, call)
            case "delete":
                return await delete(self._records, call)
        options = options_of(call)
        page = await self._reader.page(call)
        await delete_all(self._records, call, page.items, options)
        return list_response(call, page)


def _unknown_path() -> Response:
    """Of no group that is served: told as upstream tells it, in plain text."""
    return Response(b"404 page not found\n", 404, http.TEXT, [(b"x-content-type-options", b"nosniff")])


def _accepted(info: RequestInfo, headers: Mapping[str, str]) -> Accepted:
    return Accepted() if info.subresource == "log" else negotiate(headers.get("accept", ""))
