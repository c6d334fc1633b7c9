"""One request on its way through the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from apiserver.admission import Chain
from apiserver.api.decode import Decoded, decode_object
from apiserver.authn import User
from apiserver.rest import cause, fence, objectform
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.http import Response
from apiserver.rest.negotiation import Accepted
from apiserver.rest.options import VALIDATION, check_write
from apiserver.rest.records import Actor, Current
from apiserver.rest.request import HttpRequest
from apiserver.store.base import ResourceVersion

Obj = dict[str, Any]

_TRACE_PARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, as far as it is passed on."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A request for a resource, authenticated and authorized."""

    request: HttpRequest
    endpoint: Endpoint
    user: User
    accepted: Accepted
    admission: Chain
    warnings: list[str] = field(default_factory=list)
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def namespace(self) -> str:
        return self.request.info.namespace if self.endpoint.resource.namespaced else ""

    @property
    def name(self) -> str:
        return self.request.info.name

    @property
    def headers(self) -> Mapping[str, str]:
        return self.request.headers

    @property
    def actor(self) -> Actor:
        trace = self.headers.get("traceparent", "")
        return Actor(
            self.user,
            self.received,
            cause=cause.read(self.headers.get(cause.HEADER, "")),
            fence=fence.read(self.headers.get(fence.HEADER, "")),
            traceparent=trace if _TRACE_PARENT.fullmatch(trace) else "",
        )

    def check_options(self, kind: str) -> None:
        """Of a write: CreateOptions, UpdateOptions or PatchOptions. Raises Invalid."""
        check_write(self.request.query, kind)

    @property
    def dry_run(self) -> bool:
        """After `check_options`."""
        return bool(self.request.query.all("dryRun"))

    @property
    def validation_mode(self) -> str:
        """`ignore`, `warn` or `strict`. After `check_options`."""
        return VALIDATION[self.request.query.text("fieldValidation")]

    def decode(self, endpoint: Endpoint | None = None) -> Obj:
        """The body as an object of the endpoint's kind, checked against its schema."""
        target = endpoint or self.endpoint
        decoded: Decoded = decode_object(
            self.request.body,
            self.headers.get("content-type", "application/json"),
            resource=target.resource,
            schema=target.schema,
            mode=self.validation_mode,
        )
        self.warnings.extend(decoded.warnings)
        return decoded.obj

    def answer(self, current: Current, *, code: int = 200) -> Response:
        """The object in the form that the client asked for."""
        return objectform.respond(self, current, code)

    def answer_document(self, document: Obj, *, code: int = 200) -> Response:
        return self.answer(Current(ResourceVersion(0), orjson.dumps(document)), code=code)
