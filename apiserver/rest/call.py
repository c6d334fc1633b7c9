"""One request on its way through the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.admission import Chain
from apiserver.api import status
from apiserver.api.decode import Decoded, decode_object
from apiserver.authn import User
from apiserver.rest import objectform
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.http import Response
from apiserver.rest.negotiation import Accepted
from apiserver.rest.records import Actor, Current
from apiserver.rest.request import HttpRequest

Obj = dict[str, Any]

_MODES = {"": "warn", "Ignore": "ignore", "Warn": "warn", "Strict": "strict"}


@dataclass(slots=True, kw_only=True)
class Call:
    """A request for a resource, authenticated and authorized."""

    request: HttpRequest
    endpoint: Endpoint
    user: User
    accepted: Accepted
    admission: Chain
    warnings: list[str] = field(default_factory=list)

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
        return Actor(self.user, self.headers.get("traceparent", "")[:256])

    def dry_run(self) -> bool:
        """Raises BadRequest for anything but `dryRun=All`."""
        values = self.request.query.all("dryRun")
        if any(v != "All" for v in values):
            raise status.Invalid(
                f'{self.endpoint.kind} "" is invalid: dryRun: Unsupported value: "{values[0]}": supported values: "All"'
            )
        return bool(values)

    def validation_mode(self) -> str:
        """`ignore`, `warn` or `strict`, from `fieldValidation`."""
        asked = self.request.query.text("fieldValidation")
        if asked not in _MODES:
            raise status.Invalid(
                f'fieldValidation: Unsupported value: "{asked}": supported values: "Ignore", "Strict", "Warn"'
            )
        return _MODES[asked]

    def decode(self, endpoint: Endpoint | None = None) -> Obj:
        """The body as an object of the endpoint's kind, checked against its schema."""
        target = endpoint or self.endpoint
        decoded: Decoded = decode_object(
            self.request.body,
            self.headers.get("content-type", "application/json"),
            resource=target.resource,
            schema=target.schema,
            mode=self.validation_mode(),
        )
        self.warnings.extend(decoded.warnings)
        return decoded.obj

    def answer(self, current: Current, *, code: int = 200) -> Response:
        """The object in the form that the client asked for."""
        response = objectform.respond(self, current, code)
        self.add_warnings(response)
        return response

    def answer_document(self, document: Obj, *, code: int = 200) -> Response:
        return self.answer(Current(0, orjson.dumps(document)), code=code)  # type: ignore[arg-type]

    def add_warnings(self, response: Response) -> None:
        """RFC 7234 Warning headers, as upstream sends them: code 299, agent `-`."""
        for text in self.warnings:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.append((b"warning", f'299 - "{quoted}"'.encode("latin-1", "replace")))
