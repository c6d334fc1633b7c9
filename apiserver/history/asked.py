"""What a request for changes selects: resources and objects by any of their names, a namespace, a stretch. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apiserver.api.resources import Registry, Resource
from apiserver.api.status import BadRequest
from apiserver.rest.request import Query
from broker import subjects
from broker.selection import ANY, SelectedResource, Selection
from broker.subjects import Place

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Target:
    """Some objects. None stands for all; the namespace of what has none is empty."""

    group: str | None = None
    resource: str | None = None
    namespace: str | None = None
    name: str | None = None

    @property
    def filter(self) -> str:
        return subjects.filter_for(group=self.group, resource=self.resource, namespace=self.namespace, name=self.name)

    @property
    def selection(self) -> Selection:
        """For the question whether somebody may watch it."""
        one = SelectedResource(
            ANY if self.group is None else self.group,
            ANY if self.resource is None else self.resource,
            self.name or "",
        )
        return Selection((one,), self.namespace or "")

    def covers(self, other: Target | Place) -> bool:
        pairs = (
            (self.group, other.group),
            (self.resource, other.resource),
            (self.namespace, other.namespace),
            (self.name, other.name),
        )
        return all(wide is None or wide == narrow for wide, narrow in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`first` and `last` are resourceVersions, both included; None where the request leaves them open."""

    targets: tuple[Target, ...]
    first: int | None
    last: int | None
    since: datetime | None
    follow: bool
    reactions: bool


def filters(targets: Iterable[Target]) -> list[str]:
    """None within another one: JetStream refuses a consumer whose filters overlap."""
    distinct = list(dict.fromkeys(targets))
    outer = [one for one in distinct if not any(other != one and other.covers(one) for other in distinct)]
    return sorted(one.filter for one in outer)


def read(query: Query, registry: Registry, now: datetime) -> Asked:
    """Raises BadRequest."""
    namespace = query.text("namespace") or None
    named = [text for text in query.all("resource") if text] or [ANY]
    first, last, since = query.integer("from"), query.integer("to"), query.text("since")
    if first is not None and since:
        raise BadRequest("at most one of `from` and `since` may be given")
    for key, value in (("from", first), ("to", last)):
        if value is not None and value < 0:
            raise BadRequest(f"{key} must be a resourceVersion")
    if first is not None and last is not None and last < first:
        raise BadRequest("`to` is before `from`")
    return Asked(
        targets=tuple(_target(registry, text, namespace) for text in named),
        first=first,
        last=last,
        since=moment(since, now) if since else None,
        follow=bool(query.flag("follow")),
        reactions=bool(query.flag("reactions")),
    )


def _target(registry: Registry, text: str, namespace: str | None) -> Target:
    """`pods`, `deploy/web`, `*`."""
    kind, slash, name = text.partition("/")
    if slash and not name:
        raise BadRequest(f'"{text}" names no object')
    if kind == ANY:
        if name:
            raise BadRequest("a name needs a resource")
        return Target(namespace=namespace)
    found = resolve(registry, kind)
    if found is None:
        raise BadRequest(f'the server doesn\'t have a resource type "{kind}"')
    where = namespace if found.namespaced else ""
    return Target(found.storage.group, found.storage.resource, where, name or None)


def resolve(registry: Registry, text: str) -> Resource | None:
    """By plural, singular, short name or kind, with or without `.group` or `.version.group`, as kubectl takes them; the
    first group of discovery wins."""
    word, _, where = text.lower().partition(".")
    by_group = {g: number for number, g in enumerate(registry.groups())}
    candidates = [r for r in registry.all() if "watch" in r.verbs and _is_called(r, word) and _is_in(r, where)]
    return min(candidates, key=lambda r: by_group[r.group], default=None)


def _is_called(resource: Resource, word: str) -> bool:
    return word in (resource.plural, resource.singular, resource.kind.lower(), *resource.short_names)


def _is_in(resource: Resource, where: str) -> bool:
    return where in ("", resource.group, f"{resource.version}.{resource.group}")


def moment(text: str, now: datetime) -> datetime:
    """RFC 3339, or how long ago: `90s`, `10m`, `1h30m`, `2d`. Raises BadRequest."""
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        try:
            return now - timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
        except OverflowError as err:
            raise BadRequest(f'"{text}" is longer ago than time reaches') from err
    try:
        found = datetime.fromisoformat(text)
    except ValueError as err:
        raise BadRequest(f'"{text}" is neither a duration such as 10m nor a time such as 2026-01-31T12:00:00Z') from err
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
