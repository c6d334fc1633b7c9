"""CustomResourceDefinition: a kind that users bring. Checked here: its names, scope and versions.

Not promised here: that its schemas are sound; that is for whoever serves the kind.
"""

from __future__ import annotations

from typing import Any

from apiserver.api import names
from apiserver.api.fielderrors import FieldError, duplicate, invalid_value, not_supported, required
from apiserver.api.kinds._checks import Errors, check_immutable, check_name, dns_subdomain
from apiserver.api.kinds._webhooks import check_client_config, default_service
from apiserver.api.kinds.base import KindRules, register

Definition = dict[str, Any]

_SCOPES = ("Cluster", "Namespaced")
_STRATEGIES = ("None", "Webhook")


def default(obj: Definition) -> None:
    spec = obj.setdefault("spec", {})
    called = spec.setdefault("names", {})
    if not called.get("singular") and called.get("kind"):
        called["singular"] = called["kind"].lower()
    if not called.get("listKind") and called.get("kind"):
        called["listKind"] = f"{called['kind']}List"
    conversion = spec.get("conversion")
    if conversion is None:
        spec["conversion"] = {"strategy": "None"}
    else:
        default_service((conversion.get("webhook") or {}).get("clientConfig") or {})


def _stored(spec: Definition) -> list[str]:
    return [version.get("name") or "" for version in spec.get("versions") or () if version.get("storage")]


def prepare_create(obj: Definition) -> None:
    obj["status"] = {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": _stored(obj["spec"])[:1],
    }


def prepare_update(obj: Definition, old: Definition) -> None:
    """A version that objects are written in from now on is one that they may be found in."""
    status = obj.get("status") or {}
    known = status.get("storedVersions") or []
    added = [name for name in _stored(obj["spec"]) if name not in known]
    if added:
        obj["status"] = {**status, "storedVersions": [*known, *added]}


def _check_label(value: str, path: str, errors: Errors, *, told: str = "") -> None:
    if not value:
        errors.append(required(path))
    errors.extend(invalid_value(path, value, f"{told}{complaint}") for complaint in names.dns1035_label(value) if value)


def _check_names(called: Definition, errors: Errors) -> None:
    path = "spec.names"
    for field in ("plural", "singular"):
        _check_label(called.get(field) or "", f"{path}.{field}", errors)
    for field in ("kind", "listKind"):
        value = called.get(field) or ""
        if not value:
            errors.append(required(f"{path}.{field}"))
        else:
            told = "may have mixed case, but should otherwise match: "
            complaints = names.dns1035_label(value.lower())
            errors.extend(invalid_value(f"{path}.{field}", value, told + c) for c in complaints)
    if called.get("kind") and called.get("kind") == called.get("listKind"):
        told = "kind and listKind may not be the same"
        errors.append(invalid_value(f"{path}.listKind", called["listKind"], told))
    for field in ("shortNames", "categories"):
        for i, value in enumerate(called.get(field) or ()):
            complaints = names.dns1035_label(value)
            errors.extend(invalid_value(f"{path}.{field}[{i}]", value, complaint) for complaint in complaints)


def _check_versions(spec: Definition, errors: Errors) -> None:
    versions, path = spec.get("versions") or [], "spec.versions"
    seen: set[str] = set()
    for i, version in enumerate(versions):
        name = version.get("name") or ""
        if name in seen:
            told = "must contain unique version names"
            errors.append(invalid_value(path, versions, told))
        seen.add(name)
        for complaint in names.dns1035_label(name):
            errors.append(invalid_value(f"{path}[{i}].name", name, complaint))
        if (version.get("schema") or {}).get("openAPIV3Schema") is None:
            errors.append(required(f"{path}[{i}].schema.openAPIV3Schema", "schemas are required"))
    if len(_stored(spec)) != 1:
        told = "must have exactly one version marked as storage version"
        errors.append(invalid_value(path, versions, told))


def _check_conversion(conversion: Definition, errors: Errors) -> None:
    strategy, path = conversion.get("strategy") or "", "spec.conversion"
    webhook = conversion.get("webhook") or {}
    if not strategy:
        errors.append(required(f"{path}.strategy"))
    elif strategy not in _STRATEGIES:
        errors.append(not_supported(f"{path}.strategy", strategy, _STRATEGIES))
    elif strategy == "Webhook":
        if webhook.get("clientConfig") is None:
            told = "required when strategy is set to Webhook"
            errors.append(required(f"{path}.webhookClientConfig", told))
        else:
            check_client_config(webhook["clientConfig"], f"{path}.webhookClientConfig", errors)
        if not webhook.get("conversionReviewVersions"):
            errors.append(required(f"{path}.conversionReviewVersions", "required when strategy is set to Webhook"))


def validate(obj: Definition) -> list[FieldError]:
    errors: Errors = []
    spec, name = obj["spec"], obj["metadata"].get("name") or ""
    called, group, scope = spec.get("names") or {}, spec.get("group") or "", spec.get("scope") or ""
    if name != f"{called.get('plural') or ''}.{group}":
        errors.append(invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if not group:
        errors.append(required("spec.group"))
    else:
        check_name(group, "spec.group", errors, rule=dns_subdomain)
        if "." not in group:
            errors.append(invalid_value("spec.group", group, "should be a domain with at least one dot"))
    if not scope:
        errors.append(required("spec.scope"))
    elif scope not in _SCOPES:
        errors.append(not_supported("spec.scope", scope, _SCOPES))
    _check_names(called, errors)
    _check_versions(spec, errors)
    _check_conversion(spec.get("conversion") or {}, errors)
    return errors


def _is_established(obj: Definition) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def validate_update(obj: Definition, old: Definition) -> list[FieldError]:
    """Once its objects may exist, neither where they live nor what they are called changes."""
    errors: Errors = []
    spec, before = obj["spec"], old.get("spec") or {}
    if _is_established(old):
        check_immutable(spec.get("scope"), before.get("scope"), "spec.scope", errors)
        new, was = (spec.get("names") or {}).get("kind"), (before.get("names") or {}).get("kind")
        check_immutable(new, was, "spec.names.kind", errors)
    check_immutable(spec.get("group"), before.get("group"), "spec.group", errors)
    new, was = (spec.get("names") or {}).get("plural"), (before.get("names") or {}).get("plural")
    check_immutable(new, was, "spec.names.plural", errors)
    stored, named = (obj.get("status") or {}).get("storedVersions") or [], _names(spec)
    for i, version in enumerate(stored):
        if version not in named:
            told = "missing from spec.versions; "
            told += f"{version} was previously a storage version, and must remain in spec.versions until a storage "
            told += "migration ensures no data remains persisted in "
            told += f"{version} and removes {version} from status.storedVersions"
            errors.append(invalid_value(f"status.storedVersions[{i}]", version, told))
    return errors


def _names(spec: Definition) -> list[str]:
    return [version.get("name") or "" for version in spec.get("versions") or ()]


def validate_status_update(obj: Definition, old: Definition) -> list[FieldError]:
    errors: Errors = []
    stored = (obj.get("status") or {}).get("storedVersions") or []
    if not stored:
        errors.append(invalid_value("status.storedVersions", stored, "must have at least one stored version"))
    for i, version in enumerate(stored):
        path = f"status.storedVersions[{i}]"
        if version in stored[:i]:
            errors.append(duplicate(path, version))
        if version not in _names(obj.get("spec") or {}):
            errors.append(invalid_value(path, version, "must appear in spec.versions"))
    return errors


RULES = register(
    KindRules(
        group="apiextensions.k8s.io",
        kind="CustomResourceDefinition",
        default=default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=validate,
        validate_update=validate_update,
        validate_status_update=validate_status_update,
        extra={"requires_resource_version": True},
    )
)
