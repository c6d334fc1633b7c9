"""What a URL asks for, by the rules of upstream's RequestInfo.

/api/v1/namespaces/NS/pods/NAME/log        /apis/GROUP/VERSION/RESOURCE/NAME        /livez
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from apiserver.api.status import BadRequest

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True", ""})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """One request's target. `resource` is empty for paths that name no resource (`/livez`, `/apis/apps`)."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class Query:
    """The parameters of a request, typed when asked for."""

    __slots__ = ("_values",)

    def __init__(self, raw: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        if raw:
            for key, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=200):
                self._values.setdefault(key, []).append(value)

    def text(self, key: str) -> str:
        values = self._values.get(key)
        return values[0] if values else ""

    def all(self, key: str) -> list[str]:
        return self._values.get(key, [])

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def flag(self, key: str) -> bool | None:
        """None where absent. Raises BadRequest for anything that is neither true nor false."""
        values = self._values.get(key)
        if values is None:
            return None
        if values[0] in _TRUE:
            return True
        if values[0] in _FALSE:
            return False
        raise BadRequest(f'strconv.ParseBool: parsing "{values[0]}": invalid syntax')

    def integer(self, key: str) -> int | None:
        values = self._values.get(key)
        if not values or not values[0]:
            return None
        try:
            return int(values[0])
        except ValueError:
            raise BadRequest(f'strconv.ParseInt: parsing "{values[0]}": invalid syntax') from None


def parse(method: str, raw_path: str, query: Query) -> RequestInfo:
    """Read the target off a path that is still percent-encoded, so that a name may hold an encoded slash."""
    parts = [unquote(p) for p in raw_path.split("/") if p]
    if len(parts) >= 3 and parts[0] == "api":
        return _resource(method, raw_path, "", parts[1], parts[2:], query)
    if len(parts) >= 4 and parts[0] == "apis":
        return _resource(method, raw_path, parts[1], parts[2], parts[3:], query)
    return RequestInfo(verb=method.lower(), path=unquote(raw_path) or "/")


def _resource(method: str, path: str, group: str, version: str, rest: list[str], query: Query) -> RequestInfo:
    watched = rest[0] == "watch" and len(rest) > 1  # the old form /api/v1/watch/pods
    if watched:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and not (rest[2] in _NAMESPACE_SUBRESOURCES and group == ""):
            rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    return RequestInfo(
        verb=_verb(method, name, watched or (method == "GET" and bool(query.flag("watch")))),
        path=path,
        group=group,
        version=version,
        resource=rest[0],
        subresource="/".join(rest[2:]),
        namespace=namespace,
        name=name,
    )


def _verb(method: str, name: str, watch: bool) -> str:
    if method in ("GET", "HEAD"):
        if watch:
            return "watch"
        return "get" if name else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return _VERBS.get(method, method.lower())


@dataclass(slots=True)
class HttpRequest:
    """The HTTP side of one request, as the handlers see it."""

    method: str
    info: RequestInfo
    query: Query
    headers: Mapping[str, str]
    body: bytes
