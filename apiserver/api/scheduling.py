"""What makes a node fit for a pod, as far as text decides it: node selector terms, taints and tolerations.

Pure; the scheduler, the node controller and DaemonSets all judge by these. Upstream:
`k8s.io/component-helpers/scheduling/corev1`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from apiserver.api.selectors import integer

Taint = Mapping[str, Any]
Toleration = Mapping[str, Any]
Expression = Mapping[str, Any]


def match_node_selector_terms(
    terms: Sequence[Mapping[str, Any]], *, labels: Mapping[str, str], fields: Mapping[str, str]
) -> bool:
    """True when one term holds. A term that asks for nothing never holds. `fields` has `metadata.name`."""
    return any(match_node_selector_term(term, labels=labels, fields=fields) for term in terms)


def match_node_selector_term(term: Mapping[str, Any], *, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """True when all of the term's expressions hold."""
    of_labels, of_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not of_labels and not of_fields:
        return False
    return all(match_expression(e, labels) for e in of_labels) and all(match_expression(e, fields) for e in of_fields)


def match_expression(expression: Expression, values: Mapping[str, str]) -> bool:
    """A NodeSelectorRequirement. One whose operator or bound can't be understood never holds."""
    have = values.get(expression.get("key", ""))
    wanted: Sequence[str] = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return have is not None and have in wanted
        case "NotIn":
            return have is None or have not in wanted
        case "Exists":
            return have is not None
        case "DoesNotExist":
            return have is None
        case "Gt" | "Lt" as operator:
            return _compares(have, wanted, greater=operator == "Gt")
    return False


def _compares(have: str | None, wanted: Sequence[str], *, greater: bool) -> bool:
    if have is None or len(wanted) != 1:
        return False
    number, bound = integer(have), integer(wanted[0])
    if number is None or bound is None:
        return False
    return number > bound if greater else number < bound


def tolerates(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """True when one of the tolerations accepts the taint."""
    return any(_tolerates(t, taint) for t in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint.get("effect"):
        return False
    if key and key != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(
    taints: Iterable[Taint], tolerations: Sequence[Toleration], *, effects: Collection[str]
) -> Taint | None:
    """The first taint with one of these effects that no toleration accepts."""
    return next((t for t in taints if t.get("effect") in effects and not tolerates(t, tolerations)), None)
