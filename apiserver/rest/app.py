"""The request path, on one screen.

    authenticate → authorize → find the resource → (decode → default → admit → validate → commit) → encode

Every error on the way is a `StatusError` and becomes an answer here, and only here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from apiserver.admission import Chain
from apiserver.api import status
from apiserver.authn import Authenticator, User
from apiserver.authz import Attributes, Authorizer
from apiserver.authz.base import refusal
from apiserver.rest import http, reads, request
from apiserver.rest.call import Call
from apiserver.rest.create import create
from apiserver.rest.delete import delete, delete_collection
from apiserver.rest.documents import Documents
from apiserver.rest.endpoint import Endpoint, Endpoints
from apiserver.rest.http import Response, Stream
from apiserver.rest.metrics import Metrics
from apiserver.rest.negotiation import Accepted, negotiate
from apiserver.rest.patch import patch
from apiserver.rest.reads import Reader
from apiserver.rest.records import Records
from apiserver.rest.request import HttpRequest, Query, RequestInfo
from apiserver.rest.subresources import Subresources
from apiserver.rest.update import update
from apiserver.rest.virtual import Virtual

log = structlog.get_logger(__name__)

_NO_BODY = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


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
        self._metrics = metrics
        self._timeout = request_timeout_seconds

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        if scope["type"] != "http":
            return
        headers = http.headers_of(scope)
        started = self._metrics.start()
        code, verb, resource = 500, scope["method"], ""
        try:
            answer, info = await self._answer(scope, receive, headers)
            verb, resource = info.verb, info.resource
            if isinstance(answer, Stream):
                code = 200
                await http.send_stream(send, receive, answer)
            else:
                code = answer.status
                await http.send_response(send, answer, headers, head=scope["method"] == "HEAD")
        finally:
            self._metrics.finish(started, verb=verb, resource=resource, code=code)

    async def _answer(
        self, scope: http.Scope, receive: http.Receive, headers: Mapping[str, str]
    ) -> tuple[Response | Stream, RequestInfo]:
        info = RequestInfo(verb=scope["method"].lower(), path=scope["path"])
        try:
            query = Query(scope["query_string"])
            info = request.parse(scope["method"], scope["raw_path"].decode("latin-1"), query)
            user = self._authenticator.authenticate(headers.get("authorization"), scope["state"].get("certificate"))
            self._authorize(user, info)
            if scope["method"] not in _METHODS:
                raise status.MethodNotAllowed("the server does not allow this method on the requested resource")
            body = b"" if scope["method"] in _NO_BODY else await http.read_body(receive, headers)
            incoming = HttpRequest(scope["method"], info, query, headers, body)
            return await self._within_time(incoming, user), info
        except status.StatusError as err:
            return http.error_response(err), info
        except ValueError as err:  # a query or path that cannot be decoded
            return http.error_response(status.BadRequest(str(err))), info
        except Exception as err:
            log.exception("request failed", verb=info.verb, path=info.path)
            return http.error_response(status.InternalError(f"Internal error occurred: {err}")), info

    def _authorize(self, user: User, info: RequestInfo) -> None:
        if info.resource:
            attributes = Attributes(
                user=user,
                verb=info.verb,
                group=info.group,
                version=info.version,
                resource=info.resource,
                subresource=info.subresource,
                namespace=info.namespace,
                name=info.name,
            )
        else:
            attributes = Attributes(user=user, verb=info.verb, path=info.path)
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision.reason)

    async def _within_time(self, incoming: HttpRequest, user: User) -> Response | Stream:
        """Opening a stream is bounded like any request; following it is not."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._route(incoming, user)
        except TimeoutError as err:
            raise status.Timeout(
                f"Timeout: request did not complete within the allotted timeout ({self._timeout:g}s)"
            ) from err

    async def _route(self, incoming: HttpRequest, user: User) -> Response | Stream:
        info = incoming.info
        if not info.resource:
            found = await self._documents.serve(info.path, incoming.headers, incoming.query)
            if found is None:
                raise status.NotFound("the server could not find the requested resource")
            return found
        endpoint = self._endpoints.find(info.group, info.version, info.resource)
        if endpoint is None or not self._fits(endpoint, info):
            raise status.NotFound("the server could not find the requested resource")
        call = Call(
            request=incoming,
            endpoint=endpoint,
            user=user,
            accepted=_accepted(info, incoming.headers),
            admission=self._admission,
        )
        return await self._dispatch(call)

    @staticmethod
    def _fits(endpoint: Endpoint, info: RequestInfo) -> bool:
        """The scope of the path and of the resource agree, and the subresource is served."""
        resource = endpoint.resource
        if info.subresource and info.subresource not in resource.subresources:
            return False
        if not resource.namespaced:
            return not info.namespace or info.resource == "namespaces"
        return bool(info.namespace) or not (info.name or info.verb in ("create", "deletecollection"))

    async def _dispatch(self, call: Call) -> Response | Stream:
        info = call.request.info
        if info.subresource:
            return await self._subresources.serve(call, call.endpoint)
        if info.verb not in call.endpoint.resource.verbs:
            raise status.MethodNotAllowed("the server does not allow this method on the requested resource")
        if self._virtual.serves(info.resource):
            return await self._virtual.serve(call)
        if call.endpoint.resource.plural == "bindings":
            return await self._subresources.bind(call)
        match info.verb:
            case "get":
                return await reads.get(self._records, call)
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
            case "deletecollection":
                page = await self._reader.page(call)
                items = reads.raw_items(page)
                return await delete_collection(self._records, call, items, {"resourceVersion": str(page.rv)})
            case _:
                raise status.MethodNotAllowed("the server does not allow this method on the requested resource")


def _accepted(info: RequestInfo, headers: Mapping[str, str]) -> Accepted:
    if info.subresource == "log":
        return Accepted()
    return negotiate(headers.get("accept", ""))
