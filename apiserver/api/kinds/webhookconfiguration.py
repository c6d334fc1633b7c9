"""ValidatingWebhookConfiguration and MutatingWebhookConfiguration: who else is asked before a write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_optional_choice
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._match_conditions import check_match_conditions
from apiserver.api.kinds._webhooks import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    check_client_config,
    check_full_name,
    check_review_versions,
    check_rule,
    check_selectors,
    default_rules,
    default_service,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Obj = dict[str, Any]

GROUP = "admissionregistration.k8s.io"
_DEFAULTS = {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10}
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REINVOCATIONS = ("IfNeeded", "Never")


def default(obj: Obj) -> None:
    for hook in obj.get("webhooks") or ():
        for field, value in _DEFAULTS.items():
            if hook.get(field) is None:
                hook[field] = value
        for field in ("namespaceSelector", "objectSelector"):
            if hook.get(field) is None:
                hook[field] = {}
        default_rules(hook.get("rules") or [])
        default_service(hook.get("clientConfig") or {})


def default_mutating(obj: Obj) -> None:
    default(obj)
    for hook in obj.get("webhooks") or ():
        if hook.get("reinvocationPolicy") is None:
            hook["reinvocationPolicy"] = "Never"


def _check_hook(hook: Obj, path: str, errors: Errors) -> None:
    check_full_name(hook.get("name") or "", f"{path}.name", errors)
    for i, rule in enumerate(hook.get("rules") or ()):
        check_rule(rule, f"{path}.rules[{i}]", errors)
    check_optional_choice(hook.get("failurePolicy"), f"{path}.failurePolicy", errors, choices=FAILURE_POLICIES)
    check_optional_choice(hook.get("matchPolicy"), f"{path}.matchPolicy", errors, choices=MATCH_POLICIES)
    effects = hook.get("sideEffects")
    if effects is None:
        errors.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}"))
    elif effects not in _SIDE_EFFECTS:
        errors.append(not_supported(f"{path}.sideEffects", effects, _SIDE_EFFECTS))
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        told = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid_value(f"{path}.timeoutSeconds", seconds, told))
    check_selectors(hook, path, errors)
    policy = hook.get("reinvocationPolicy")
    check_optional_choice(policy, f"{path}.reinvocationPolicy", errors, choices=_REINVOCATIONS)
    check_client_config(hook.get("clientConfig") or {}, f"{path}.clientConfig", errors)
    check_match_conditions(hook.get("matchConditions") or [], f"{path}.matchConditions", errors)
    check_review_versions(hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions", errors)


def validate(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    seen: set[str] = set()
    for i, hook in enumerate(obj.get("webhooks") or ()):
        _check_hook(hook, f"webhooks[{i}]", errors)
        name = hook.get("name") or ""
        if name and name in seen:
            errors.append(duplicate(f"webhooks[{i}].name", name))
        seen.add(name)
    return errors


def row(obj: Obj, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], len(obj.get("webhooks") or ()), age_of(obj, now)


def _rules(kind: str, default_: Callable[[Obj], None]) -> KindRules:
    return KindRules(
        group=GROUP,
        kind=kind,
        default=default_,
        validate=validate,
        columns=(NAME_COLUMN, Column("Webhooks", "integer", description="How many are asked."), AGE_COLUMN),
        row=row,
        extra={"requires_resource_version": True},
    )


VALIDATING = register(_rules("ValidatingWebhookConfiguration", default))
MUTATING = register(_rules("MutatingWebhookConfiguration", default_mutating))
