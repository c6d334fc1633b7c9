"""CronJob: a Job at set times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import (
    Errors,
    check_annotations,
    check_choice,
    check_labels,
    check_not_negative,
    dns_subdomain,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._cron import BadSchedule, check_schedule, is_time_zone
from apiserver.api.kinds._job_spec import check_job_spec, default_failure_policy
from apiserver.api.kinds._label_selectors import selector_text
from apiserver.api.kinds._podtemplate import (
    SELECTOR_COLUMN,
    WIDE_COLUMNS,
    container_cells,
    default_template,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

CronJob = dict[str, Any]

_MAX_NAME = 52
"""A Job's name takes eleven characters more, and a label holds 63."""
_DEFAULTS = {
    "concurrencyPolicy": "Allow",
    "suspend": False,
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 1,
}
_COUNTS = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")


def default(obj: CronJob) -> None:
    spec = obj.setdefault("spec", {})
    for field, value in _DEFAULTS.items():
        if spec.get(field) in (None, ""):
            spec[field] = value
    job = spec.setdefault("jobTemplate", {})
    job.setdefault("metadata", {})
    job_spec = job.setdefault("spec", {})
    default_template(job_spec.setdefault("template", {}))
    default_failure_policy(job_spec)


def prepare_create(obj: CronJob) -> None:
    obj["status"] = {}


def validate_name(name: str) -> list[str]:
    complaints = list(dns_subdomain(name))
    if len(name) > _MAX_NAME:
        complaints.append(f"must be no more than {_MAX_NAME} characters")
    return complaints


def _check_times(spec: CronJob, errors: Errors) -> None:
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        errors.append(required("spec.schedule"))
        return
    if "TZ" in schedule:
        if zone is not None:
            told = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        else:
            told = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(invalid_value("spec.schedule", schedule, told))
    else:
        try:
            check_schedule(schedule)
        except BadSchedule as err:
            errors.append(invalid_value("spec.schedule", schedule, str(err)))
    if zone is not None:
        _check_zone(zone, errors)


def _check_zone(zone: str, errors: Errors) -> None:
    if not zone:
        errors.append(invalid_value("spec.timeZone", zone, "timeZone must be nil or non-empty string"))
    elif zone.lower() == "local":
        told = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid_value("spec.timeZone", zone, told))
    elif not is_time_zone(zone):
        errors.append(invalid_value("spec.timeZone", zone, f"unknown time zone {zone}"))


def validate(obj: CronJob) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    _check_times(spec, errors)
    for field in _COUNTS:
        check_not_negative(spec.get(field), f"spec.{field}", errors)
    policies = ("Allow", "Forbid", "Replace")
    check_choice(spec.get("concurrencyPolicy"), "spec.concurrencyPolicy", errors, choices=policies)
    template = spec.get("jobTemplate") or {}
    meta, job = template.get("metadata") or {}, template.get("spec") or {}
    check_labels(meta.get("labels"), "spec.jobTemplate.labels", errors)
    check_annotations(meta.get("annotations"), "spec.jobTemplate.annotations", errors)
    check_job_spec(job, "spec.jobTemplate.spec", errors)
    if job.get("manualSelector"):
        where = "spec.jobTemplate.spec.manualSelector"
        errors.append(not_supported(where, job["manualSelector"], ["nil", "false"]))
    return errors


def row(obj: CronJob, now: datetime) -> Sequence[Cell]:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    last = status.get("lastScheduleTime")
    return (
        meta["name"],
        spec.get("schedule") or "",
        spec.get("timeZone") or "<none>",
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        age(last, now) if last else "<none>",
        age(meta.get("creationTimestamp"), now),
        *container_cells((job.get("template") or {}).get("spec") or {}),
        selector_text(job.get("selector")),
    )


RULES = register(
    KindRules(
        group="batch",
        kind="CronJob",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_name=validate_name,
        columns=(
            NAME_COLUMN,
            Column("Schedule", description="When Jobs are made, in Cron's form."),
            Column("Timezone", description="The time zone of the schedule."),
            Column("Suspend", "boolean", description="Whether no further Jobs are made."),
            Column("Active", "integer", description="How many of its Jobs run."),
            Column("Last Schedule", description="How long ago the last Job was made."),
            AGE_COLUMN,
            *WIDE_COLUMNS,
            SELECTOR_COLUMN,
        ),
        row=row,
    )
)
