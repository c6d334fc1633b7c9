"""Admission policies and their bindings: rules in CEL about writes. Kept, checked for shape and shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, forbidden, not_supported, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_name, check_optional_choice, dns_subdomain
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, UNSET
from apiserver.api.kinds._label_selectors import check_selector, selector_text
from apiserver.api.kinds._match_conditions import check_match_conditions
from apiserver.api.kinds._webhooks import FAILURE_POLICIES, check_rule, check_selectors, default_rules
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Obj = dict[str, Any]

GROUP = "admissionregistration.k8s.io"
_ACTIONS = ("Audit", "Deny", "Warn")
_NOT_FOUND = ("Allow", "Deny")


def _default_match(match: Obj) -> None:
    if match.get("matchPolicy") is None:
        match["matchPolicy"] = "Equivalent"
    for field in ("namespaceSelector", "objectSelector"):
        if match.get(field) is None:
            match[field] = {}
    for field in ("resourceRules", "excludeResourceRules"):
        default_rules(match.get(field) or [])


def default_policy(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    if spec.get("matchConstraints") is not None:
        _default_match(spec["matchConstraints"])


def default_binding(obj: Obj) -> None:
    match = obj.setdefault("spec", {}).get("matchResources")
    if match is not None:
        _default_match(match)


def _check_match(match: Obj, path: str, errors: Errors) -> None:
    check_selectors(match, path, errors)
    for field in ("resourceRules", "excludeResourceRules"):
        for i, rule in enumerate(match.get(field) or ()):
            check_rule(rule, f"{path}.{field}[{i}]", errors)


def _check_policy(spec: Obj, errors: Errors) -> None:
    check_optional_choice(spec.get("failurePolicy"), "spec.failurePolicy", errors, choices=FAILURE_POLICIES)
    kind, match = spec.get("paramKind"), spec.get("matchConstraints")
    if kind is not None:
        errors.extend(required(f"spec.paramKind.{field}") for field in ("apiVersion", "kind") if not kind.get(field))
    if match is None:
        errors.append(required("spec.matchConstraints"))
    else:
        if not match.get("resourceRules"):
            errors.append(required("spec.matchConstraints.resourceRules"))
        _check_match(match, "spec.matchConstraints", errors)
    check_match_conditions(spec.get("matchConditions") or [], "spec.matchConditions", errors)
    for i, variable in enumerate(spec.get("variables") or ()):
        for field in ("name", "expression"):
            if not variable.get(field):
                errors.append(required(f"spec.variables[{i}].{field}", f"{field} is not specified"))


def validate_validating(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    _check_policy(spec, errors)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        told = "validations or auditAnnotations must be non-empty; neither provided"
        errors.extend(required(f"spec.{field}", told) for field in ("validations", "auditAnnotations"))
    for i, rule in enumerate(spec.get("validations") or ()):
        if not (rule.get("expression") or "").strip():
            errors.append(required(f"spec.validations[{i}].expression", "expression is not specified"))
    return errors


def validate_mutating(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    _check_policy(spec, errors)
    if not spec.get("mutations"):
        errors.append(required("spec.mutations", "mutations must contain at least one item"))
    return errors


def _check_parameters(reference: Obj, errors: Errors) -> None:
    path, name, selector = "spec.paramRef", reference.get("name") or "", reference.get("selector")
    if name and selector is not None:
        errors.append(forbidden(f"{path}.name", "name and selector are mutually exclusive"))
        errors.append(forbidden(f"{path}.selector", "name and selector are mutually exclusive"))
    elif name:
        check_name(name, f"{path}.name", errors, rule=dns_subdomain)
    elif selector is not None:
        check_selector(selector, f"{path}.selector", errors)
    else:
        errors.append(required(path, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    if action is None:
        errors.append(required(f"{path}.parameterNotFoundAction"))
    elif action not in _NOT_FOUND:
        errors.append(not_supported(f"{path}.parameterNotFoundAction", action, _NOT_FOUND))


def validate_binding(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    if not spec.get("policyName"):
        errors.append(required("spec.policyName"))
    else:
        check_name(spec["policyName"], "spec.policyName", errors, rule=dns_subdomain)
    if spec.get("paramRef") is not None:
        _check_parameters(spec["paramRef"], errors)
    if spec.get("matchResources") is not None:
        _check_match(spec["matchResources"], "spec.matchResources", errors)
    return errors


def validate_validating_binding(obj: Obj) -> list[FieldError]:
    errors = validate_binding(obj)
    actions = obj["spec"].get("validationActions") or []
    if not actions:
        errors.append(required("spec.validationActions", "at least one validation action is required"))
    for i, action in enumerate(actions):
        if action not in _ACTIONS:
            errors.append(not_supported(f"spec.validationActions[{i}]", action, _ACTIONS))
        if action in actions[:i]:
            errors.append(duplicate(f"spec.validationActions[{i}]", action))
    return errors


def _parameter_kind(spec: Obj) -> str:
    kind = spec.get("paramKind")
    return UNSET if kind is None else f"{kind.get('apiVersion') or ''}/{kind.get('kind') or ''}"


def _parameters(spec: Obj) -> str:
    reference = spec.get("paramRef") or {}
    name, namespace = reference.get("name") or "", reference.get("namespace") or ""
    if name:
        return f"{namespace}/{name}" if namespace else name
    return UNSET if reference.get("selector") is None else selector_text(reference["selector"])


def _policy_row(field: str) -> Callable[[Obj, datetime], Sequence[Cell]]:
    def row(obj: Obj, now: datetime) -> Sequence[Cell]:
        spec = obj.get("spec") or {}
        return obj["metadata"]["name"], len(spec.get(field) or ()), _parameter_kind(spec), age_of(obj, now)

    return row


def _binding_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    return obj["metadata"]["name"], spec.get("policyName") or "", _parameters(spec), age_of(obj, now)


def _policy(kind: str, field: str, validate: Callable[[Obj], list[FieldError]]) -> KindRules:
    return KindRules(
        group=GROUP,
        kind=kind,
        default=default_policy,
        validate=validate,
        columns=(
            NAME_COLUMN,
            Column(field.capitalize(), "integer", description="How many rules there are."),
            Column("ParamKind", description="What kind of object it takes parameters from."),
            AGE_COLUMN,
        ),
        row=_policy_row(field),
        extra={"requires_resource_version": True},
    )


def _binding(kind: str, validate: Callable[[Obj], list[FieldError]]) -> KindRules:
    return KindRules(
        group=GROUP,
        kind=kind,
        default=default_binding,
        validate=validate,
        columns=(
            NAME_COLUMN,
            Column("PolicyName", description="The policy that it puts to use."),
            Column("ParamRef", description="Where its parameters are."),
            AGE_COLUMN,
        ),
        row=_binding_row,
        extra={"requires_resource_version": True},
    )


VALIDATING = register(_policy("ValidatingAdmissionPolicy", "validations", validate_validating))
MUTATING = register(_policy("MutatingAdmissionPolicy", "mutations", validate_mutating))
VALIDATING_BINDING = register(_binding("ValidatingAdmissionPolicyBinding", validate_validating_binding))
MUTATING_BINDING = register(_binding("MutatingAdmissionPolicyBinding", validate_binding))
