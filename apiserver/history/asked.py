"""What a request for changes selects: resources by any of their names, a namespace, an object, a stretch. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apiserver.api.resources import Registry, Resource
from apiserver.api.status import BadRequest
from apiserver.rest.request import Query
from broker import subjects
from broker.selection import ANY, SelectedResource, Selection

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`first` and `last` are resourceVersions, both included; None where the request leaves them open."""

    selection: Selection
    name: str
    first: int | None
    last: int | None
    since: datetime | None
    follow: bool

    def filters(self) -> list[str]:
        """One object has one filter for each resource; more have those of the selection."""
        if not self.name:
            return list(self.selection.filters())
        namespace = self.selection.namespace or None
        return [
            subjects.filter_for(group=one.group, resource=one.resource, namespace=namespace, name=self.name)
            for one in self.selection.resources
        ]


def read(query: Query, registry: Registry, now: datetime) -> Asked:
    """Raises BadRequest."""
    selected = tuple(_resource(registry, text) for text in query.all("resource") if text)
    name, namespace = query.text("name"), query.text("namespace")
    if not selected:
        selected = (SelectedResource(ANY, ANY),)
    if name and (len(selected) != 1 or selected[0].resource == ANY):
        raise BadRequest("a name needs exactly one resource")
    first, last, since = query.integer("from"), query.integer("to"), query.text("since")
    if first is not None and since:
        raise BadRequest("at most one of `from` and `since` may be given")
    for key, value in (("from", first), ("to", last)):
        if value is not None and value < 0:
            raise BadRequest(f"{key} must be a resourceVersion")
    if first is not None and last is not None and last < first:
        raise BadRequest("`to` is before `from`")
    return Asked(
        selection=Selection(selected, namespace),
        name=name,
        first=first,
        last=last,
        since=moment(since, now) if since else None,
        follow=bool(query.flag("follow")),
    )


def _resource(registry: Registry, text: str) -> SelectedResource:
    if text == ANY:
        return SelectedResource(ANY, ANY)
    found = resolve(registry, text)
    if found is None:
        raise BadRequest(f'the server doesn\'t have a resource type "{text}"')
    return SelectedResource(found.storage.group, found.storage.resource)


def resolve(registry: Registry, text: str) -> Resource | None:
    """By plural, singular, short name or kind, with or without `.group`, as kubectl takes them; the first group of
    discovery wins."""
    word, _, group = text.lower().partition(".")
    by_group = {g: number for number, g in enumerate(registry.groups())}
    candidates = [r for r in registry.all() if _is_called(r, word) and (not group or r.group == group)]
    return min(candidates, key=lambda r: by_group[r.group], default=None)


def _is_called(resource: Resource, word: str) -> bool:
    return word in (resource.plural, resource.singular, resource.kind.lower(), *resource.short_names)


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
