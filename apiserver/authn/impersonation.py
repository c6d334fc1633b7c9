"""Acting as somebody else (`kubectl --as`): whom a request's headers name, and what its sender must be allowed for it.

Pure. Upstream: `endpoints/filters/impersonation.go`. Whoever may not impersonate is refused; nobody is ever taken for
the one that they named without being asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from apiserver.api.status import internal_error
from apiserver.authn.user import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User

_PREFIX = b"impersonate-"
_EXTRA = _PREFIX + b"extra-"
_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATION = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class Needed:
    """One question to the authorizer: may the sender `impersonate` this?"""

    resource: str
    name: str
    group: str = ""
    namespace: str = ""
    subresource: str = ""


@dataclass(slots=True)
class Impersonation:
    """What the headers ask for."""

    user: str = ""
    uid: str = ""
    groups: list[str] = field(default_factory=list)
    extra: dict[str, list[str]] = field(default_factory=dict)

    def needed(self) -> Iterator[Needed]:
        """Everything that the sender must be allowed."""
        account = _account_of(self.user)
        if account is not None:
            yield Needed("serviceaccounts", account[1], namespace=account[0])
        else:
            yield Needed("users", self.user)
        for group in self.groups:
            yield Needed("groups", group)
        for key, values in self.extra.items():
            for value in values:
                yield Needed("userextras", value, group=_AUTHENTICATION, subresource=key)
        if self.uid:
            yield Needed("uids", self.uid, group=_AUTHENTICATION)

    def as_user(self) -> User:
        groups = list(self.groups)
        account = _account_of(self.user)
        if not groups and account is not None:
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
        own = UNAUTHENTICATED if self.user == ANONYMOUS.name else AUTHENTICATED
        if AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
            groups.append(own)
        return User(self.user, self.uid, tuple(groups), dict(self.extra))


def impersonation(headers: Iterable[tuple[bytes, bytes]]) -> Impersonation | None:
    """None where nobody is named. `headers` with lower-case names. Raises InternalError, as upstream does, for headers
    that name groups, an uid or extras but no user."""
    found = [(name, value.decode("latin-1")) for name, value in headers if name.startswith(_PREFIX)]
    if not found:
        return None
    asked = Impersonation()
    for name, value in found:
        _read(asked, name, value)
    if not asked.user:
        if asked.groups or asked.extra or asked.uid:
            raise internal_error("requested groups, an uid or extras without impersonating a user")
        return None
    return asked


def _read(asked: Impersonation, name: bytes, value: str) -> None:
    if name == b"impersonate-user":
        asked.user = value
    elif name == b"impersonate-uid":
        asked.uid = value
    elif name == b"impersonate-group":
        asked.groups.append(value)
    elif name.startswith(_EXTRA):
        asked.extra.setdefault(unquote(name[len(_EXTRA) :].decode("latin-1")), []).append(value)


def _account_of(user: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name."""
    namespace, colon, name = user.removeprefix(_ACCOUNT).partition(":")
    return (namespace, name) if user.startswith(_ACCOUNT) and colon and namespace and name else None
