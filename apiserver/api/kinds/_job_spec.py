"""The spec of a Job, as Jobs have it and CronJobs hold a template of it: defaults and validation."""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import duplicate, invalid_value, required, too_many
from apiserver.api.kinds._checks import MAX_INT32, Errors, check_choice, check_not_negative
from apiserver.api.kinds._podtemplate import check_template

Spec = dict[str, Any]

_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_MAX_INDEXES = 10**5
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_MODES = ("NonIndexed", "Indexed")
_REPLACEMENT = ("Failed", "TerminatingOrFailed")
_MAX_RULES = 20


def default_job_spec(spec: Spec) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    values = {
        "parallelism": 1,
        "backoffLimit": MAX_INT32 if spec.get("backoffLimitPerIndex") is not None else 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "manualSelector": False,
        "podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    }
    for field, value in values.items():
        if spec.get(field) is None:
            spec[field] = value
    default_failure_policy(spec)


def default_failure_policy(spec: Spec) -> None:
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def _check_exit_codes(codes: Spec, path: str, errors: Errors, *, names: set[str]) -> None:
    operator, values = codes.get("operator"), codes.get("values") or []
    check_choice(operator, f"{path}.operator", errors, choices=("In", "NotIn"))
    name = codes.get("containerName")
    if name is not None and name not in names:
        told = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid_value(f"{path}.containerName", name, told))
    if not values:
        errors.append(invalid_value(f"{path}.values", values, "at least one value is required"))
    if len(values) > 255:
        errors.append(too_many(f"{path}.values", len(values), 255))
    for i, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid_value(f"{path}.values[{i}]", value, "must not be 0 for the In operator"))
        if value in values[:i]:
            errors.append(duplicate(f"{path}.values[{i}]", value))


def _check_failure_rule(rule: Spec, path: str, errors: Errors, *, names: set[str], per_index: bool) -> None:
    action = rule.get("action")
    check_choice(action, f"{path}.action", errors, choices=_ACTIONS)
    if action == "FailIndex" and not per_index:
        told = "requires the backoffLimitPerIndex to be set"
        errors.append(invalid_value(f"{path}.action", action, told))
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        _check_exit_codes(codes, f"{path}.onExitCodes", errors, names=names)
    for i, pattern in enumerate(conditions or ()):
        where = f"{path}.onPodConditions[{i}].status"
        check_choice(pattern.get("status"), where, errors, choices=("False", "True", "Unknown"))
    if codes is not None and conditions:
        errors.append(invalid_value(path, rule, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        errors.append(invalid_value(path, rule, "specifying one of OnExitCodes and OnPodConditions is required"))


def _check_failure_policy(spec: Spec, path: str, errors: Errors) -> None:
    rules = spec["podFailurePolicy"].get("rules") or []
    pod = (spec.get("template") or {}).get("spec") or {}
    names = {c.get("name") or "" for f in ("containers", "initContainers") for c in pod.get(f) or ()}
    per_index = spec.get("backoffLimitPerIndex") is not None
    if len(rules) > _MAX_RULES:
        errors.append(too_many(f"{path}.rules", len(rules), _MAX_RULES))
    for i, rule in enumerate(rules):
        _check_failure_rule(rule, f"{path}.rules[{i}]", errors, names=names, per_index=per_index)


def _check_success_policy(spec: Spec, path: str, errors: Errors) -> None:
    if spec.get("completionMode") != "Indexed":
        errors.append(invalid_value(path, spec["successPolicy"], "requires indexed completion mode"))
        return
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        told = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(f"{path}.rules", told))
    if len(rules) > _MAX_RULES:
        errors.append(too_many(f"{path}.rules", len(rules), _MAX_RULES))
    for i, rule in enumerate(rules):
        count = rule.get("succeededCount")
        if count is None and rule.get("succeededIndexes") is None:
            told = "at least one of succeededCount or succeededIndexes must be specified"
            errors.append(required(f"{path}.rules[{i}]", told))
        if count is not None and count <= 0:
            errors.append(invalid_value(f"{path}.rules[{i}].succeededCount", count, "must be greater than 0"))


def _check_indexes(spec: Spec, path: str, errors: Errors) -> None:
    per_index, failed = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    check_not_negative(per_index, f"{path}.backoffLimitPerIndex", errors)
    check_not_negative(failed, f"{path}.maxFailedIndexes", errors)
    if spec.get("completionMode") == "Indexed":
        completions = spec.get("completions")
        if completions is None:
            errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
        if (spec.get("parallelism") or 0) > _MAX_INDEXES:
            told = f"must be less than or equal to {_MAX_INDEXES} when completion mode is Indexed"
            errors.append(invalid_value(f"{path}.parallelism", spec["parallelism"], told))
        if failed is not None and completions is not None and failed > completions:
            told = "must be less than or equal to completions"
            errors.append(invalid_value(f"{path}.maxFailedIndexes", failed, told))
        return
    for field, value in (("backoffLimitPerIndex", per_index), ("maxFailedIndexes", failed)):
        if value is not None:
            errors.append(invalid_value(f"{path}.{field}", value, "requires indexed completion mode"))


def _check_modes(spec: Spec, path: str, errors: Errors) -> None:
    if spec.get("completionMode") is not None:
        check_choice(spec["completionMode"], f"{path}.completionMode", errors, choices=_MODES)
    policy = spec.get("podReplacementPolicy")
    if policy is not None:
        choices = ("Failed",) if spec.get("podFailurePolicy") else _REPLACEMENT
        check_choice(policy, f"{path}.podReplacementPolicy", errors, choices=choices)
    manager = spec.get("managedBy")
    if manager is not None and "/" not in manager:
        told = 'must be a domain-prefixed path (such as "acme.io/foo")'
        errors.append(invalid_value(f"{path}.managedBy", manager, told))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))


def check_job_spec(spec: Spec, path: str, errors: Errors) -> None:
    for field in _COUNTS:
        check_not_negative(spec.get(field), f"{path}.{field}", errors)
    _check_modes(spec, path, errors)
    _check_indexes(spec, path, errors)
    if spec.get("podFailurePolicy") is not None:
        _check_failure_policy(spec, f"{path}.podFailurePolicy", errors)
    if spec.get("successPolicy") is not None:
        _check_success_policy(spec, f"{path}.successPolicy", errors)
    template = spec.get("template") or {}
    check_template(template, f"{path}.template", errors)
    _check_restart_policy(spec, f"{path}.template.spec.restartPolicy", errors)


def _check_restart_policy(spec: Spec, path: str, errors: Errors) -> None:
    """A Job's pods end; one that restarts for ever never would."""
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        errors.append(required(path, 'valid values: "OnFailure", "Never"'))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        told = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid_value(path, policy, told))
