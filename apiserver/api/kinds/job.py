"""Job: pods that run to their end. Its selector is made from its uid, so that no two Jobs share pods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value, required
from apiserver.api.kinds._ages import age, between
from apiserver.api.kinds._checks import Errors, check_immutable
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._job_spec import check_job_spec, default_job_spec
from apiserver.api.kinds._label_selectors import check_selector, selector_text
from apiserver.api.kinds._podtemplate import (
    SELECTOR_COLUMN,
    WIDE_COLUMNS,
    check_counts,
    check_selected,
    default_template,
    template_cells,
    template_labels,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Job = dict[str, Any]

UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
_OLD_UID_LABEL = "controller-uid"
_OLD_NAME_LABEL = "job-name"

_FIXED = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_WHILE_SUSPENDED = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
_LATER_STATES = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


def default(obj: Job) -> None:
    spec = obj.setdefault("spec", {})
    default_job_spec(spec)
    template = spec.setdefault("template", {})
    default_template(template)
    labels = template_labels(template)
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def prepare_create(obj: Job) -> None:
    """The name and the uid must be known by now: pods are found by them."""
    obj["status"] = {}
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    uid, name = meta.get("uid") or "", meta.get("name") or ""
    pod_meta = spec["template"].setdefault("metadata", {})
    wanted = {_OLD_UID_LABEL: uid, UID_LABEL: uid, _OLD_NAME_LABEL: name, NAME_LABEL: name}
    pod_meta["labels"] = {**wanted, **(pod_meta.get("labels") or {})}
    selector = spec.get("selector") or {}
    labels = {**(selector.get("matchLabels") or {})}
    labels.setdefault(UID_LABEL, uid)
    spec["selector"] = {**selector, "matchLabels": labels}


def _check_generated(obj: Job, errors: Errors) -> None:
    """Nobody but the server writes the labels that tell Jobs apart."""
    meta, spec = obj["metadata"], obj["spec"]
    labels = template_labels(spec.get("template") or {})
    for key, wanted in ((UID_LABEL, meta.get("uid")), (NAME_LABEL, meta.get("name"))):
        if labels.get(key) != wanted:
            told = f"must be '{wanted}'"
            errors.append(invalid_value(f"spec.template.metadata.labels[{key}]", labels.get(key) or "", told))
    selected = ((spec.get("selector") or {}).get("matchLabels") or {}).get(UID_LABEL)
    if selected != meta.get("uid"):
        told = "`selector` not auto-generated"
        errors.append(invalid_value("spec.selector", spec.get("selector"), told))


def validate(obj: Job) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    check_job_spec(spec, "spec", errors)
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        check_selector(selector, "spec.selector", errors)
        check_selected(spec.get("template") or {}, selector, "spec.template", errors)
    if not spec.get("manualSelector"):
        _check_generated(obj, errors)
    return errors


def _without(template: Job, fields: tuple[str, ...]) -> Job:
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if k not in ("labels", "annotations")}
    spec = {k: v for k, v in (template.get("spec") or {}).items() if k not in fields}
    return {**template, "metadata": meta, "spec": spec}


def _check_template_fixed(obj: Job, old: Job, errors: Errors) -> None:
    """A Job that is suspended and never ran may still be told where its pods shall run."""
    before, after = old["spec"].get("template") or {}, obj["spec"].get("template") or {}
    status = old.get("status") or {}
    if old["spec"].get("suspend") and not status.get("startTime"):
        before, after = _without(before, _WHILE_SUSPENDED), _without(after, _WHILE_SUSPENDED)
    if before != after:
        check_immutable(obj["spec"].get("template"), None, "spec.template", errors)


def _check_completions_fixed(obj: Job, old: Job, errors: Errors) -> None:
    """An indexed Job may grow or shrink, as long as it has as many completions as pods."""
    before, after = old["spec"].get("completions"), obj["spec"].get("completions")
    if before == after:
        return
    if obj["spec"].get("completionMode") != "Indexed":
        check_immutable(after, before, "spec.completions", errors)
    elif after is None or after != obj["spec"].get("parallelism"):
        told = "can only be modified in tandem with spec.parallelism"
        errors.append(invalid_value("spec.completions", after, told))


def validate_update(obj: Job, old: Job) -> list[FieldError]:
    errors: Errors = []
    new_spec, old_spec = obj["spec"], old["spec"]
    _check_completions_fixed(obj, old, errors)
    for field in _FIXED:
        check_immutable(new_spec.get(field), old_spec.get(field), f"spec.{field}", errors)
    _check_template_fixed(obj, old, errors)
    return errors


def _finished(status: Job) -> str | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return str(condition["type"])
    return None


def validate_status_update(obj: Job, old: Job) -> list[FieldError]:
    errors: Errors = []
    status, before = obj.get("status") or {}, old.get("status") or {}
    check_counts(status, errors, fields=("active", "succeeded", "failed", "terminating", "ready"))
    ended = _finished(before)
    if ended is not None and _finished(status) != ended:
        told = f"cannot disable the terminal Job condition {ended}=True"
        errors.append(invalid_value("status.conditions", status.get("conditions") or [], told))
    return errors


def _true_conditions(status: Job) -> set[str]:
    return {c.get("type") or "" for c in status.get("conditions") or () if c.get("status") == "True"}


def _status_word(obj: Job) -> str:
    true = _true_conditions(obj.get("status") or {})
    for condition in ("Complete", "Failed"):
        if condition in true:
            return condition
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((c for c in _LATER_STATES if c in true), "Running")


def _completions(spec: Job, status: Job) -> str:
    done, wanted = status.get("succeeded") or 0, spec.get("completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = spec.get("parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(status: Job, now: datetime) -> str:
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    return between(start, end) if end else age(start, now)


def row(obj: Job, now: datetime) -> Sequence[Cell]:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    return (
        meta["name"],
        _status_word(obj),
        _completions(spec, status),
        _duration(status, now),
        age(meta.get("creationTimestamp"), now),
        *template_cells(obj),
        selector_text(spec.get("selector")),
    )


RULES = register(
    KindRules(
        group="batch",
        kind="Job",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=validate_update,
        validate_status_update=validate_status_update,
        selectable_fields=lambda obj: {"status.successful": str((obj.get("status") or {}).get("succeeded") or 0)},
        field_names=frozenset(("status.successful",)),
        columns=(
            NAME_COLUMN,
            Column("Status", description="How the Job fares."),
            Column("Completions", description="Pods that ended well of those needed."),
            Column("Duration", description="From the start to the end, or to now."),
            AGE_COLUMN,
            *WIDE_COLUMNS,
            SELECTOR_COLUMN,
        ),
        row=row,
    )
)
