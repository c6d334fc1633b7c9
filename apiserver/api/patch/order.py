"""In which order the elements of a merged list stand.

The elements that the patch names stand in the patch's order; those that only the server has keep theirs, and are woven
in where the server's order tells both apart. Linear but for the sort.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.api.status import BadRequest


def arranged(merged: list[Any], wanted: list[Any], live: list[Any], key: str) -> list[Any]:
    """`merged` in order: `wanted` leads, then `live`. An empty `key` means scalars."""
    wanted_place, live_place = _places(wanted, key), _places(live, key)
    ours: list[Any] = []
    servers: list[Any] = []
    for element in merged:
        (ours if identity(element, key) in wanted_place else servers).append(element)
    far = len(merged) + len(live)
    ours.sort(key=lambda e: wanted_place[identity(e, key)])
    servers.sort(key=lambda e: live_place.get(identity(e, key), far))
    return _woven(servers, ours, live_place, key)


def identity(element: Any, key: str) -> Any:
    """What makes an element that element. Raises BadRequest for one without its merge key."""
    if not key:
        if isinstance(element, dict | list):
            raise BadRequest("invalid patch format of setElementOrder list")
        return element
    if not isinstance(element, Mapping):
        raise BadRequest("list element types are not identical")
    value = element.get(key)
    if value is None or isinstance(value, dict | list):
        raise BadRequest(f"map: {dict(element)} does not contain declared merge key: {key}")
    return value


def _places(elements: list[Any], key: str) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for i, element in enumerate(elements):
        places.setdefault(identity(element, key), i)
    return places


def _woven(servers: list[Any], ours: list[Any], live_place: Mapping[Any, int], key: str) -> list[Any]:
    """Both lists keep their order. A server's element goes first only where the live list says so."""
    result: list[Any] = []
    i = 0
    for element in ours:
        mine = live_place.get(identity(element, key))
        while mine is not None and i < len(servers) and live_place.get(identity(servers[i], key), mine) < mine:
            result.append(servers[i])
            i += 1
        result.append(element)
    return result + servers[i:]


def check_order(elements: list[Any], order: list[Any], key: str) -> None:
    """The patch's own elements must stand in the order that the patch asks for. Raises BadRequest."""
    if not elements or not order:
        return
    asked = iter(identity(e, key) for e in order)
    for element in elements:
        mine = identity(element, key)
        if not any(mine == other for other in asked):
            raise BadRequest("The order in patch list doesn't match $setElementOrder list")
