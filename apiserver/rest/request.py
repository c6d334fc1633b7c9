"""What a URL asks for, by the rules of upstream's RequestInfo.

/api/v1/namespaces/NS/pods/NAME/log        /apis/GROUP/VERSION/RESOURCE/NAME        /livez
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from apiserver.api.selectors import FieldSelector, SelectorError, integer
from apiserver.api.status import BadRequest

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


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
    in_namespace: bool = False
    """The path leads through a namespace. The namespace of /api/v1/namespaces/NS is NS, but it does not."""
    watch_path: bool = False
    """The old form of a watch: /api/v1/watch/pods."""


class Query:
    """The parameters of a request, typed when asked for, as upstream's `runtime.Convert_Slice_string_To_…` do."""

    __slots__ = ("_values",)

    def __init__(self, raw: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        if raw:
            for key, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=200):
                self._values.setdefault(key, []).append(value)

    @classmethod
    def parse(cls, raw: bytes) -> Query:
        """Raises BadRequest."""
        try:
            return cls(raw)
        except ValueError as err:  # more parameters than anybody needs
            raise BadRequest(str(err)) from err

    def text(self, key: str) -> str:
        values = self._values.get(key)
        return values[0] if values else ""

    def all(self, key: str) -> list[str]:
        return self._values.get(key, [])

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def flag(self, key: str) -> bool | None:
        """None where absent. Everything but `0` and `false` is true, the empty text too."""
        values = self._values.get(key)
        if values is None:
            return None
        return values[0] != "0" and values[0].lower() != "false"

    def integer(self, key: str) -> int | None:
        """None where absent. Raises BadRequest."""
        values = self._values.get(key)
        if values is None:
            return None
        found = integer(values[0])
        if found is None:
            raise BadRequest(f'strconv.ParseInt: parsing "{values[0]}": {parse_problem(values[0])}')
        return found


def parse_problem(text: str) -> str:
    """Why Go's strconv refuses a number."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return "value out of range" if digits.isascii() and digits.isdigit() else "invalid syntax"


def parse(method: str, raw_path: str, query: Query) -> RequestInfo:
    """Read the target off a path that is still percent-encoded, so that a name may hold an encoded slash."""
    parts = [unquote(p) for p in raw_path.split("/") if p]
    if len(parts) >= 3 and parts[0] == "api":
        return _resource(method, raw_path, "", parts[1], parts[2:], query)
    if len(parts) >= 4 and parts[0] == "apis":
        return _resource(method, raw_path, parts[1], parts[2], parts[3:], query)
    return RequestInfo(verb=method.lower(), path=unquote(raw_path) or "/")


def _resource(method: str, path: str, group: str, version: str, rest: list[str], query: Query) -> RequestInfo:
    watch_path = rest[0] == "watch" and len(rest) > 1
    if watch_path:
        rest = rest[1:]
    namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 1 else ""
    in_namespace = bool(namespace) and len(rest) > 2 and not (rest[2] in _NAMESPACE_SUBRESOURCES and group == "")
    if in_namespace:
        rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    return RequestInfo(
        verb="watch" if watch_path else _verb(method, name, query),
        path=path,
        group=group,
        version=version,
        resource=rest[0],
        subresource="/".join(rest[2:]),
        namespace=namespace,
        name=name,
        in_namespace=in_namespace,
        watch_path=watch_path,
    )


def _verb(method: str, name: str, query: Query) -> str:
    if method in ("GET", "HEAD"):
        if name:
            return "get"
        return "watch" if query.flag("watch") else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return _VERBS.get(method, "")


def selected_name(info: RequestInfo, query: Query) -> str:
    """The name that authorization is asked about: that of the URL, or the one that a list's field selector pins."""
    if info.name or info.verb not in ("list", "watch") or "fieldSelector" not in query:
        return info.name
    try:
        return FieldSelector.parse(query.text("fieldSelector")).exact("metadata.name") or ""
    except SelectorError:
        return ""  # refused with 400, once it is known that the caller may list at all


@dataclass(slots=True)
class HttpRequest:
    """The HTTP side of one request, as the handlers see it."""

    method: str
    info: RequestInfo
    query: Query
    headers: Mapping[str, str]
    body: bytes
