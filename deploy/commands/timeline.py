"""One object's life, decided from what was told: for each of its changes what led to it and what came of it. Pure.

    heard       its author heard of what made it act        (where the author says so: agents do)
    command     the request reached the API server
    commit      it got its resourceVersion
    published   the stream has it, and whoever listens hears it
    heard       by one who then reacted, at its own word
    reaction    a change that names this one as its cause

Who listened without reacting is known by name and cursor, not by time. Clocks are those of the machines that say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apiserver.api.selectors import LabelSelector
from apiserver.subscriptions.spec import selection_of
from broker import subjects
from deploy.commands.changes import Told

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """`who` and `detail` may be empty."""

    moment: datetime
    what: str
    who: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A subscription that selects the change."""

    name: str
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Chapter:
    """One change of the object."""

    told: Told
    cause: Told | None
    """What it was a reaction to; None where nothing is said or known of that."""
    steps: Sequence[Step]
    reactions: Sequence[Told]
    listeners: Sequence[Listener]


def chapters(
    own: Sequence[Told], told_with_them: Iterable[Told], causes: Mapping[int, Told], subscriptions: Sequence[Obj]
) -> list[Chapter]:
    """`told_with_them` are reactions of others; `causes` are changes by number, those of the object itself left out."""
    by_number = {**causes, **{told.rv: told for told in own}}
    reactions: dict[int, list[Told]] = {}
    for told in sorted([*own, *told_with_them], key=lambda told: told.rv):
        if told.cause is not None:
            reactions.setdefault(told.cause, []).append(told)
    return [
        Chapter(
            told=told,
            cause=by_number.get(told.cause) if told.cause is not None else None,
            steps=_steps(told, reactions.get(told.rv, [])),
            reactions=reactions.get(told.rv, []),
            listeners=[found for one in subscriptions if (found := _listener(one, told)) is not None],
        )
        for told in own
    ]


def _steps(told: Told, reactions: Sequence[Told]) -> list[Step]:
    """In the order of time; where the clocks of two machines disagree, that shows."""
    raw = [
        (told.heard, "heard", told.actor, f"of {told.cause}"),
        (told.received, "command", told.actor, ""),
        (told.time, "commit", "", f"as {told.rv}"),
        (told.published, "published", "", ""),
    ]
    for one in reactions:
        raw.append((one.heard, "heard", one.actor, ""))
        raw.append((one.time, "reaction", one.actor, f"{one.type} {one.where} as {one.rv}"))
    seen = dict.fromkeys(item for item in raw if item[0])  # one that reacts twice has heard once
    steps = [Step(datetime.fromisoformat(text), what, who, detail) for text, what, who, detail in seen]
    return sorted(steps, key=lambda step: step.moment)


def _listener(subscription: Obj, told: Told) -> Listener | None:
    """None for one that does not select the change, or that began behind it."""
    status = subscription.get("status") or {}
    if told.place is None or int(status.get("startResourceVersion") or 0) >= told.rv:
        return None
    spec = subscription["spec"]
    place = told.place
    subject = subjects.subject_for(place.group, place.resource, place.namespace, place.name, node=place.node)
    if not any(subjects.matches(one, subject) for one in selection_of(spec).filters()):
        return None
    labels = LabelSelector.from_object(spec.get("labelSelector") or {})
    if not labels.matches((told.object.get("metadata") or {}).get("labels")):
        return None
    return Listener(subscription["metadata"]["name"], (status.get("acknowledged") or 0) >= told.rv)
