"""Rules for a version that is served but not stored: those of the stored version, asked through the conversion.

A kind has one set of rules, written for the version that it is stored in; what they complain about is named as in that
version, as upstream's internal types are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from apiserver.api.kinds.base import KindRules

Obj = dict[str, Any]
Convert = Callable[[Obj], Obj]


def converted(rules: KindRules, to_storage: Convert, from_storage: Convert) -> KindRules:
    """`rules` for objects that `to_storage` makes into stored ones."""

    def alone(change: Callable[[Obj], None]) -> Callable[[Obj], None]:
        def changed(obj: Obj) -> None:
            stored = to_storage(obj)
            change(stored)
            _become(obj, from_storage(stored))

        return changed

    def pair(change: Callable[[Obj, Obj], None]) -> Callable[[Obj, Obj], None]:
        def changed(obj: Obj, old: Obj) -> None:
            stored = to_storage(obj)
            change(stored, to_storage(old))
            _become(obj, from_storage(stored))

        return changed

    def row(obj: Obj, now: datetime) -> Any:
        return rules.row(to_storage(obj), now) if rules.row is not None else ()

    return replace(
        rules,
        default=alone(rules.default),
        prepare_create=alone(rules.prepare_create),
        prepare_update=pair(rules.prepare_update),
        prepare_status_update=pair(rules.prepare_status_update),
        validate=lambda obj: rules.validate(to_storage(obj)),
        validate_create=lambda obj: rules.validate_create(to_storage(obj)),
        validate_update=lambda obj, old: rules.validate_update(to_storage(obj), to_storage(old)),
        validate_status_update=lambda obj, old: rules.validate_status_update(to_storage(obj), to_storage(old)),
        row=row if rules.row is not None else None,
    )


def _become(obj: Obj, other: Obj) -> None:
    obj.clear()
    obj.update(other)
