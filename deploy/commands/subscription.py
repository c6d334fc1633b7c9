"""The Subscription that a command listens by: made from what the user names, or found, and waited for."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any

from agents.client.resources import SUBSCRIPTIONS, path
from apiserver.api.kinds.subscription import listens_to, state_of
from apiserver.api.selectors import LabelSelector, Requirement, SelectorError
from apiserver.api.status import AlreadyExists, NotFound
from apiserver.subscriptions.spec import selection_of
from broker.selection import ANY, Selection, consumer_name
from deploy.commands.discovery import Catalogue
from deploy.commands.plane import Plane
from deploy.errors import UserError

READY_SECONDS = 20.0
"""One API server takes over from another within that time, and then makes what consumers are missing."""
LOOK_SECONDS = 0.2

Obj = dict[str, Any]

_OPERATORS = {"in": "In", "!=": "NotIn", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """As it is now."""

    obj: Obj

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def consumer(self) -> str:
        return consumer_name(self.name)

    @property
    def selection(self) -> Selection:
        return selection_of(self.obj["spec"])

    @property
    def labels(self) -> LabelSelector:
        """What the subscriber has to leave out: the broker does not look into objects."""
        return LabelSelector.from_object(self.obj["spec"].get("labelSelector") or {})

    @property
    def everything(self) -> bool:
        """It begins with what there is."""
        return bool(self.obj["spec"]["start"]["from"] == "Everything")

    @property
    def state(self) -> str:
        """Ready, Expired, or why it is not."""
        return state_of(self.obj)

    @property
    def connected(self) -> bool:
        """Somebody reads it."""
        return bool((self.obj.get("status") or {}).get("connected"))


def spec_of(catalogue: Catalogue, resources: tuple[str, ...], *, start: str, namespace: str, selector: str) -> Obj:
    """What the command's words mean. Raises UserError."""
    named = [one for text in resources for one in text.split(",") if one]
    spec: Obj = {"resources": [_selected(catalogue, text) for text in named], "start": _start(start)}
    if namespace:
        spec["namespace"] = namespace
    if selector:
        spec["labelSelector"] = _label_selector(selector)
    return spec


def _selected(catalogue: Catalogue, text: str) -> Obj:
    kind, _, name = text.partition("/")
    if kind == ANY:
        return {"group": ANY, "resource": ANY}
    known = catalogue.find(kind)
    return {"group": known.group, "resource": known.plural, **({"name": name} if name else {})}


def _start(text: str) -> Obj:
    if text.isdecimal():
        return {"from": "ResourceVersion", "resourceVersion": text}
    if text not in ("now", "everything"):
        raise UserError(f'--start: want now, everything or a resourceVersion, not "{text}"')
    return {"from": text.capitalize()}


def _label_selector(text: str) -> Obj:
    try:
        requirements = LabelSelector.parse(text).requirements
    except SelectorError as err:
        raise UserError(f"--selector: {err}") from err
    labels = {one.key: one.values[0] for one in requirements if one.operator == "="}
    expressions = [_expression(one) for one in requirements if one.operator != "="]
    return {"matchLabels": labels, "matchExpressions": expressions}


def _expression(requirement: Requirement) -> Obj:
    operator = _OPERATORS.get(requirement.operator)
    if operator is None:
        raise UserError(f'--selector: "{requirement}" is more than a subscription can select by')
    values = {"values": list(requirement.values)} if operator in ("In", "NotIn") else {}
    return {"key": requirement.key, "operator": operator, **values}


async def find(plane: Plane, name: str) -> Subscription:
    """Raises UserError where there is none, StatusError."""
    try:
        return Subscription(await plane.transport.read(path(SUBSCRIPTIONS, "", name)))
    except NotFound as err:
        raise UserError(f'there is no subscription "{name}"; make it with --create RESOURCE…') from err


async def make(plane: Plane, name: str, spec: Obj) -> Subscription:
    """It may be there already, if it selects the same. Raises UserError, StatusError."""
    wanted = {
        "apiVersion": SUBSCRIPTIONS.api_version,
        "kind": SUBSCRIPTIONS.kind,
        "metadata": {"name": name},
        "spec": spec,
    }
    try:
        return Subscription(await plane.transport.write("POST", path(SUBSCRIPTIONS), body=wanted))
    except AlreadyExists:
        found = await find(plane, name)
        if not _select_the_same(found, Subscription(wanted)):
            told = f'the subscription "{name}" is there, and listens to {listens_to(found.obj["spec"])}'
            raise UserError(f"{told}; leave --create away, or take another name") from None
        return found


def _select_the_same(one: Subscription, other: Subscription) -> bool:
    pairs = [(s.selection.filters(), s.selection.node, _plain(s.labels)) for s in (one, other)]
    return pairs[0] == pairs[1]


def _plain(labels: LabelSelector) -> LabelSelector:
    """`in` of one value is written as `=`."""
    return LabelSelector(
        [replace(r, operator="=") if r.operator == "in" and len(r.values) == 1 else r for r in labels.requirements]
    )


async def ready(plane: Plane, name: str) -> Subscription:
    """Once there is a consumer, expired or not. Raises UserError, StatusError."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        found = await find(plane, name)
        if found.state in ("Ready", "Expired"):
            return found
        if found.state == "Terminating" or time.monotonic() > deadline:
            raise UserError(f'the subscription "{name}" is not ready: {found.state}')
        await asyncio.sleep(LOOK_SECONDS)
