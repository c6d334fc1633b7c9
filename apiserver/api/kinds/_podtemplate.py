"""Pod templates, as the controllers' kinds embed them: defaults, validation against a selector, cells of a table."""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._checks import (
    Errors,
    check_annotations,
    check_immutable,
    check_labels,
    check_not_negative,
)
from apiserver.api.kinds._label_selectors import Selector, check_selector, is_empty, matches
from apiserver.api.kinds._podspec_defaults import default_pod_spec
from apiserver.api.kinds._podspec_validation import check_pod_spec
from apiserver.api.kinds.base import Cell, Column

Template = dict[str, Any]

MISMATCH = "`selector` does not match template `labels`"

WIDE_COLUMNS = (
    Column("Containers", description="The names of the containers in the template.", priority=1),
    Column("Images", description="The images of the containers in the template.", priority=1),
)
SELECTOR_COLUMN = Column("Selector", description="Which pods belong to this object.", priority=1)


def default_template(template: Template) -> None:
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def template_labels(template: Template) -> dict[str, str]:
    return (template.get("metadata") or {}).get("labels") or {}


def check_template(template: Template, path: str, errors: Errors) -> None:
    """A template by itself."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    check_labels(meta.get("labels"), f"{path}.labels", errors)
    check_annotations(meta.get("annotations"), f"{path}.annotations", errors)
    check_pod_spec(spec, f"{path}.spec", errors, is_pod=False)
    if spec.get("ephemeralContainers"):
        told = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", told))


def check_selected(template: Template, selector: Selector, path: str, errors: Errors) -> None:
    """Pods of the template must be found by the selector, or their owner would make more for ever."""
    labels = template_labels(template)
    if not is_empty(selector) and not matches(selector, labels):
        errors.append(invalid_value(f"{path}.metadata.labels", labels, MISMATCH))


def check_runs_always(template: Template, path: str, errors: Errors, *, kind: str) -> None:
    """What keeps pods running can't have pods that end by themselves."""
    spec = template.get("spec") or {}
    policy = spec.get("restartPolicy")
    if policy != "Always":
        errors.append(not_supported(f"{path}.spec.restartPolicy", policy, ["Always"]))
    if spec.get("activeDeadlineSeconds") is not None:
        told = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden(f"{path}.spec.activeDeadlineSeconds", told))


def check_required_selector(spec: Template, errors: Errors, *, empty: str) -> None:
    """`empty` is what is said of a selector that would select everything."""
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
        return
    check_selector(selector, "spec.selector", errors)
    if is_empty(selector):
        errors.append(invalid_value("spec.selector", selector, empty))


def check_workload(spec: Template, errors: Errors, *, kind: str, empty: str) -> None:
    """Selector and template of a kind that keeps pods running."""
    check_required_selector(spec, errors, empty=empty)
    template = spec.get("template") or {}
    check_selected(template, spec.get("selector") or {}, "spec.template", errors)
    check_template(template, "spec.template", errors)
    check_runs_always(template, "spec.template", errors, kind=kind)


def selector_is_immutable(obj: Template, old: Template) -> list[FieldError]:
    errors: Errors = []
    check_immutable(obj["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors)
    return errors


def check_counts(status: Template, errors: Errors, *, fields: tuple[str, ...]) -> None:
    for field in fields:
        check_not_negative(status.get(field), f"status.{field}", errors)


def check_at_most(status: Template, errors: Errors, *, fields: tuple[str, ...], bound: str, told: str) -> None:
    """Parts of the status that can't be more than the whole."""
    whole = status.get(bound) or 0
    for field in fields:
        value = status.get(field) or 0
        if value > whole:
            errors.append(invalid_value(f"status.{field}", value, told))


def check_collision_count(new: Template, old: Template, errors: Errors) -> None:
    before, after = old.get("collisionCount"), new.get("collisionCount")
    if before is not None and (after is None or after < before):
        errors.append(invalid_value("status.collisionCount", after or 0, "cannot be decremented"))


def container_cells(spec: Template) -> tuple[Cell, Cell]:
    """Names and images of a pod spec's containers."""
    containers = spec.get("containers") or ()
    return ",".join(c.get("name") or "" for c in containers), ",".join(c.get("image") or "" for c in containers)


def template_spec(obj: Template) -> Template:
    """The spec of the pods of a controller's kind."""
    return (obj["spec"].get("template") or {}).get("spec") or {}


def template_cells(obj: Template) -> tuple[Cell, Cell]:
    return container_cells(template_spec(obj))
