"""The errors of the API: one small class per Kubernetes Status reason, and the one mapping from them to HTTP.

    StatusError
    ├── BadRequest (400)            ├── UnsupportedMediaType (415)
    ├── Unauthorized (401)          ├── Invalid (422, causes per field)
    ├── Forbidden (403)             ├── TooManyRequests (429, retry after)
    ├── NotFound (404)              ├── InternalError (500)
    ├── MethodNotAllowed (405)      ├── ServiceUnavailable (503, retry after)
    ├── NotAcceptable (406)         ├── Timeout (504, ask again)
    ├── AlreadyExists (409)         └── ServerTimeout (504, the write's outcome is not known)
    ├── Conflict (409)
    ├── Gone, Expired (410)
    ├── RequestEntityTooLarge (413)
    └── Unknown (500, without a reason)

The server raises them, the agents' client raises the same ones again from the Status it reads. Reasons, codes and
messages are upstream's (`k8s.io/apimachinery/pkg/api/errors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes`: why one field was refused."""

    reason: str
    message: str
    field: str = ""

    def to_dict(self) -> dict[str, str]:
        shape = {"reason": self.reason, "message": self.message, "field": self.field}
        return {k: v for k, v in shape.items() if v}


class StatusError(Exception):
    """An answer other than success. Carries everything that `to_status` needs."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"
    detailed: ClassVar[bool] = False
    """Whether the Status carries `details` even where there is nothing to say in them, as upstream's does."""

    def __init__(
        self,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        uid: str = "",
        causes: Sequence[Cause] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.group = group
        self.kind = kind
        self.name = name
        self.uid = uid
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds

    def to_status(self) -> dict[str, Any]:
        """The body of the answer: a `v1.Status`. `details.kind` holds the resource, as upstream does."""
        details: dict[str, Any] = {
            "name": self.name,
            "group": self.group,
            "kind": self.kind,
            "uid": self.uid,
            "causes": [c.to_dict() for c in self.causes],
            "retryAfterSeconds": self.retry_after_seconds,
        }
        details = {k: v for k, v in details.items() if v}
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.list_meta(),
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if not self.reason:
            del status["reason"]
        if details or self.detailed:
            status["details"] = details
        status["code"] = self.code
        return status

    def list_meta(self) -> dict[str, Any]:
        """The `metadata` of the Status; empty but where a list may be continued in spite of the error."""
        return {}


class BadRequest(StatusError):
    """The request can't be understood (400). Mend it; a retry won't help."""

    code = 400
    reason = "BadRequest"


class Unauthorized(StatusError):
    """No credentials, or wrong ones (401)."""

    code = 401
    reason = "Unauthorized"


class Forbidden(StatusError):
    """The caller is known and may not do this, or admission refused it (403)."""

    code = 403
    reason = "Forbidden"
    detailed = True


class NotFound(StatusError):
    """There is no such object or resource (404)."""

    code = 404
    reason = "NotFound"
    detailed = True


class MethodNotAllowed(StatusError):
    """The resource does not support this verb (405)."""

    code = 405
    reason = "MethodNotAllowed"
    detailed = True


class NotAcceptable(StatusError):
    """None of the media types in Accept can be produced (406)."""

    code = 406
    reason = "NotAcceptable"


class AlreadyExists(StatusError):
    """The name is taken (409). For a changed object see Conflict."""

    code = 409
    reason = "AlreadyExists"


class Conflict(StatusError):
    """The object changed since the caller read it, or a precondition failed (409). Read again and retry."""

    code = 409
    reason = "Conflict"


class Gone(StatusError):
    """What was asked for no longer exists (410)."""

    code = 410
    reason = "Gone"


class Expired(StatusError):
    """The resourceVersion or continue token is older than what is kept (410). List again, or go on with
    `continue_token`, which shows the rest as it is now."""

    code = 410
    reason = "Expired"
    continue_token = ""

    def list_meta(self) -> dict[str, Any]:
        return {"continue": self.continue_token} if self.continue_token else {}


class RequestEntityTooLarge(StatusError):
    """The body or the object is over the limit (413)."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    """The Content-Type of the body is not served (415)."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(StatusError):
    """The object was understood and its values are wrong (422); `causes` names the fields."""

    code = 422
    reason = "Invalid"


class TooManyRequests(StatusError):
    """Come back later (429), for example an eviction that a disruption budget does not allow now."""

    code = 429
    reason = "TooManyRequests"


class InternalError(StatusError):
    """A bug of ours (500)."""


class ServiceUnavailable(StatusError):
    """A server behind this one is away; nothing was stored (503). Retry."""

    code = 503
    reason = "ServiceUnavailable"


class Timeout(StatusError):
    """The server gave up waiting (504), for example for a resourceVersion it has not reached."""

    code = 504
    reason = "Timeout"


class Unknown(StatusError):
    """Upstream's storage refused, in words that it gives no reason for (500)."""

    reason = ""


class ServerTimeout(StatusError):
    """The write was sent and its outcome can't be known (504). Read before you retry."""

    code = 504
    reason = "ServerTimeout"


_BY_REASON: dict[str, type[StatusError]] = {
    cls.reason: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, AlreadyExists, Conflict, Gone,
        Expired, RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError,
        ServiceUnavailable, Timeout, ServerTimeout,
    )
}  # fmt: skip
_BY_CODE: dict[int, type[StatusError]] = {cls.code: cls for cls in reversed(_BY_REASON.values())}


def from_status(status: dict[str, Any], *, code: int) -> StatusError:
    """Turn a Status that a server answered back into the error it was. `code` decides where the reason is unknown."""
    details = status.get("details") or {}
    cls = _BY_REASON.get(status.get("reason", "")) or _BY_CODE.get(code, InternalError)
    return cls(
        status.get("message") or f"the server answered {code}",
        group=details.get("group", ""),
        kind=details.get("kind", ""),
        name=details.get("name", ""),
        uid=details.get("uid", ""),
        causes=[
            Cause(c.get("reason", ""), c.get("message", ""), c.get("field", "")) for c in details.get("causes") or ()
        ],
        retry_after_seconds=details.get("retryAfterSeconds"),
    )


def internal_error(why: object) -> InternalError:
    return InternalError(f"Internal error occurred: {why}", causes=[Cause("", str(why))])


def qualified(resource: str, group: str) -> str:
    """`deployments.apps`, or `pods` for the core group: how messages name a resource."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, group: str, name: str) -> NotFound:
    return NotFound(f'{qualified(resource, group)} "{name}" not found', group=group, kind=resource, name=name)


def already_exists(resource: str, group: str, name: str) -> AlreadyExists:
    return AlreadyExists(f'{qualified(resource, group)} "{name}" already exists', group=group, kind=resource, name=name)


def conflict(resource: str, group: str, name: str, why: str) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}',
        group=group,
        kind=resource,
        name=name,
    )


MODIFIED_SINCE = "the object has been modified; please apply your changes to the latest version and try again"
