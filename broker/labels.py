"""A Subscription's label selector, applied by its subscriber. Pure.

The broker matches subjects, and labels are in no subject: it delivers every change of what a Subscription selects, and
the subscriber leaves out the objects whose labels do not match. A change is judged by the object that it carries.
So one that loses its label is heard of no more, without a word; whoever needs to know subscribes without the selector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]


class BadSelector(ValueError):
    """Not a LabelSelector as the API server takes it."""


def matcher(selector: Mapping[str, Any] | None) -> Matches | None:
    """Whether labels match a LabelSelector, with the meaning that Kubernetes gives it; None when all do. Raises
    BadSelector."""
    if not selector:
        return None
    tests = [_equals(key, value) for key, value in (selector.get("matchLabels") or {}).items()]
    tests += [_test(one) for one in selector.get("matchExpressions") or ()]
    return (lambda labels: all(test(labels) for test in tests)) if tests else None


def _equals(key: str, value: str) -> Matches:
    return lambda labels: labels.get(key) == value


def _test(requirement: Mapping[str, Any]) -> Matches:
    key, values = str(requirement.get("key")), _values(requirement.get("values") or ())
    match requirement.get("operator"):
        case "In":
            return lambda labels: labels.get(key) in values
        case "NotIn":
            return lambda labels: labels.get(key) not in values  # also where there is no such label
        case "Exists":
            return lambda labels: key in labels
        case "DoesNotExist":
            return lambda labels: key not in labels
        case other:
            raise BadSelector(f"{other!r} is not an operator of label selectors")


def _values(values: Sequence[str]) -> frozenset[str | None]:
    return frozenset(values)
