"""Validation of where a pod may run: affinity, tolerations, spreading, scheduling gates."""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import duplicate, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._checks import (
    NOT_POSITIVE,
    Errors,
    check_choice,
    check_name,
    check_optional_choice,
    dns_label,
    dns_subdomain,
    label_value,
    qualified_name,
)
from apiserver.api.kinds._label_selectors import check_selector

Rule = dict[str, Any]

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_MATCH_ALL = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def _check_expression(rule: Rule, path: str, errors: Errors, *, strict_values: bool) -> None:
    operator, values = rule.get("operator"), rule.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            told = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{path}.values", told))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            told = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(f"{path}.values", told))
    else:
        errors.append(invalid_value(f"{path}.operator", operator or "", "not a valid selector operator"))
    check_name(rule.get("key") or "", f"{path}.key", errors, rule=qualified_name)
    if strict_values:
        for i, value in enumerate(values):
            check_name(value, f"{path}.values[{i}]", errors, rule=label_value)


def _check_field(rule: Rule, path: str, errors: Errors) -> None:
    operator, values, key = rule.get("operator"), rule.get("values") or [], rule.get("key")
    if operator not in ("In", "NotIn"):
        errors.append(invalid_value(f"{path}.operator", operator or "", "not a valid selector operator"))
    elif len(values) != 1:
        told = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(f"{path}.values", told))
    if key != "metadata.name":
        errors.append(invalid_value(f"{path}.key", key or "", "not a valid field selector key"))
        return
    for i, value in enumerate(values):
        check_name(value, f"{path}.values[{i}]", errors, rule=dns_subdomain)


def check_node_term(term: Rule, path: str, errors: Errors, *, strict_values: bool = True) -> None:
    for i, rule in enumerate(term.get("matchExpressions") or ()):
        _check_expression(rule, f"{path}.matchExpressions[{i}]", errors, strict_values=strict_values)
    for i, rule in enumerate(term.get("matchFields") or ()):
        _check_field(rule, f"{path}.matchFields[{i}]", errors)


def check_node_selector(selector: Rule, path: str, errors: Errors) -> None:
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        errors.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for i, term in enumerate(terms):
        check_node_term(term, f"{path}.nodeSelectorTerms[{i}]", errors)


def _check_weight(rule: Rule, path: str, errors: Errors) -> None:
    weight = rule.get("weight") or 0
    if not 1 <= weight <= 100:
        errors.append(invalid_value(f"{path}.weight", weight, "must be in the range 1-100"))


def _check_node_affinity(affinity: Rule, path: str, errors: Errors) -> None:
    if affinity.get(_REQUIRED) is not None:
        check_node_selector(affinity[_REQUIRED], f"{path}.{_REQUIRED}", errors)
    for i, preferred in enumerate(affinity.get(_PREFERRED) or ()):
        where = f"{path}.{_PREFERRED}[{i}]"
        _check_weight(preferred, where, errors)
        check_node_term(preferred.get("preference") or {}, f"{where}.preference", errors, strict_values=False)


def _check_label_keys(term: Rule, path: str, errors: Errors) -> None:
    selector = term.get("labelSelector")
    match, mismatch = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        where = f"{path}.{field}"
        if keys and selector is None:
            errors.append(forbidden(where, "must not be specified when labelSelector is not set"))
            continue
        for i, key in enumerate(keys):
            check_name(key, f"{where}[{i}]", errors, rule=qualified_name)
    for i, key in enumerate(match):
        if key in mismatch:
            told = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(invalid_value(f"{path}.matchLabelKeys[{i}]", key, told))


def _check_pod_term(term: Rule, path: str, errors: Errors) -> None:
    check_selector(term.get("labelSelector"), f"{path}.labelSelector", errors)
    check_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector", errors)
    for name in term.get("namespaces") or ():
        check_name(name, f"{path}.namespace", errors, rule=dns_label)
    _check_label_keys(term, path, errors)
    key = term.get("topologyKey") or ""
    if not key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    check_name(key, f"{path}.topologyKey", errors, rule=qualified_name)


def _check_pod_affinity(affinity: Rule, path: str, errors: Errors) -> None:
    for i, term in enumerate(affinity.get(_REQUIRED) or ()):
        _check_pod_term(term, f"{path}.{_REQUIRED}[{i}]", errors)
    for i, preferred in enumerate(affinity.get(_PREFERRED) or ()):
        where = f"{path}.{_PREFERRED}[{i}]"
        _check_weight(preferred, where, errors)
        _check_pod_term(preferred.get("podAffinityTerm") or {}, f"{where}.podAffinityTerm", errors)


def check_affinity(affinity: Rule, path: str, errors: Errors) -> None:
    if affinity.get("nodeAffinity") is not None:
        _check_node_affinity(affinity["nodeAffinity"], f"{path}.nodeAffinity", errors)
    for field in ("podAffinity", "podAntiAffinity"):
        if affinity.get(field) is not None:
            _check_pod_affinity(affinity[field], f"{path}.{field}", errors)


def _check_operator(toleration: Rule, path: str, errors: Errors) -> None:
    operator, value = toleration.get("operator") or "", toleration.get("value") or ""
    where = f"{path}.operator"
    if operator in ("", "Equal"):
        complaints = label_value(value)
        if complaints:
            errors.append(invalid_value(where, value, ";".join(complaints)))
    elif operator == "Exists":
        if value:
            errors.append(invalid_value(where, value, "value must be empty when `operator` is 'Exists'"))
    else:
        errors.append(not_supported(where, operator, ("Equal", "Exists")))


def check_tolerations(tolerations: list[Rule], path: str, errors: Errors) -> None:
    for i, toleration in enumerate(tolerations):
        where = f"{path}[{i}]"
        key, effect = toleration.get("key"), toleration.get("effect") or ""
        if key:
            check_name(key, f"{where}.key", errors, rule=qualified_name)
        elif toleration.get("operator") != "Exists":
            errors.append(invalid_value(f"{where}.operator", toleration.get("operator") or "", _MATCH_ALL))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            told = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid_value(f"{where}.effect", effect, told))
        _check_operator(toleration, where, errors)
        if effect and effect not in EFFECTS:
            errors.append(not_supported(f"{where}.effect", effect, EFFECTS))


def _check_spread_keys(rule: Rule, path: str, errors: Errors) -> None:
    keys, selector = rule.get("matchLabelKeys") or [], rule.get("labelSelector")
    if not keys:
        return
    if selector is None:
        errors.append(forbidden(path, "must not be specified when labelSelector is not set"))
    named = set((selector or {}).get("matchLabels") or {})
    named |= {r.get("key") for r in (selector or {}).get("matchExpressions") or ()}
    for i, key in enumerate(keys):
        check_name(key, f"{path}[{i}]", errors, rule=qualified_name)
        if key in named:
            errors.append(invalid_value(f"{path}[{i}]", key, "exists in both matchLabelKeys and labelSelector"))


def _check_min_domains(rule: Rule, path: str, errors: Errors) -> None:
    minimum, action = rule.get("minDomains"), rule.get("whenUnsatisfiable") or ""
    if minimum is None:
        return
    if minimum <= 0:
        errors.append(invalid_value(path, minimum, NOT_POSITIVE))
    if action != "DoNotSchedule":
        told = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        errors.append(invalid_value(path, minimum, told))


def _spread_pair(rule: Rule) -> tuple[str, str]:
    return rule.get("topologyKey") or "", rule.get("whenUnsatisfiable") or ""


def check_spread(rules: list[Rule], path: str, errors: Errors) -> None:
    """Spreading over failure domains; one rule per topology key and answer to its failure."""
    for i, rule in enumerate(rules):
        where = f"{path}[{i}]"
        skew = rule.get("maxSkew") or 0
        if skew <= 0:
            errors.append(invalid_value(f"{where}.maxSkew", skew, NOT_POSITIVE))
        if not rule.get("topologyKey"):
            errors.append(required(f"{where}.topologyKey", "can not be empty"))
        action = rule.get("whenUnsatisfiable") or ""
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            errors.append(not_supported(f"{where}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway")))
        key, action = _spread_pair(rule)
        if any(_spread_pair(later) == (key, action) for later in rules[i + 1 :]):
            errors.append(duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        _check_min_domains(rule, f"{where}.minDomains", errors)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            check_optional_choice(rule.get(field), f"{where}.{field}", errors, choices=("Honor", "Ignore"))
        _check_spread_keys(rule, f"{where}.matchLabelKeys", errors)
        check_selector(rule.get("labelSelector"), f"{where}.labelSelector", errors)


def check_gates(gates: list[Rule], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for i, gate in enumerate(gates):
        name = gate.get("name") or ""
        check_name(name, f"{path}[{i}]", errors, rule=qualified_name)
        if name in seen:
            errors.append(duplicate(f"{path}[{i}]", name))
        seen.add(name)


def check_preemption(policy: str | None, path: str, errors: Errors) -> None:
    if policy is not None:
        check_choice(policy, path, errors, choices=("PreemptLowerPriority", "Never"))
