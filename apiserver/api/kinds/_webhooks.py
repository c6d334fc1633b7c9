"""Where webhooks are called, and which requests they are called for."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

from apiserver.api import names
from apiserver.api.fielderrors import invalid_value, not_supported, required
from apiserver.api.kinds._checks import Errors, check_name, dns_subdomain
from apiserver.api.kinds._label_selectors import check_selector

Hook = dict[str, Any]

DEFAULT_PORT = 443
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
_FORM = "; desired format: https://host[/path]"
_SCOPES = ("*", "Cluster", "Namespaced")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")


def default_service(config: Hook) -> None:
    service = config.get("service")
    if service is not None and service.get("port") is None:
        service["port"] = DEFAULT_PORT


def default_rules(rules: list[Hook]) -> None:
    for rule in rules:
        if rule.get("scope") is None:
            rule["scope"] = "*"


def check_client_config(config: Hook, path: str, errors: Errors) -> None:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        errors.append(required(path, "exactly one of url or service is required"))
    elif url is not None:
        _check_url(url, f"{path}.url", errors)
    elif service is not None:
        _check_service(service, f"{path}.service", errors)


def _check_url(url: str, path: str, errors: Errors) -> None:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError as err:
        errors.append(required(path, f"url must be a valid URL: {err}{_FORM}"))
        return
    if parts.scheme != "https":
        errors.append(invalid_value(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not host:
        errors.append(invalid_value(path, host, f"host must be specified{_FORM}"))
    errors.extend(invalid_value(path, shown, told) for shown, told in _unwanted(parts) if shown)


def _unwanted(parts: SplitResult) -> list[tuple[str, str]]:
    return [
        (parts.netloc.rpartition("@")[0], "user information is not permitted in the URL"),
        (parts.fragment, "fragments are not permitted in the URL"),
        (parts.query, "query parameters are not permitted in the URL"),
    ]


def _check_service(service: Hook, path: str, errors: Errors) -> None:
    for field in ("name", "namespace"):
        if not service.get(field):
            errors.append(required(f"{path}.{field}", f"service {field} is required"))
    port = service.get("port")
    if port is not None and not 1 <= port <= 65535:
        told = "port is not valid: must be between 1 and 65535, inclusive"
        errors.append(invalid_value(f"{path}.port", port, told))
    place = service.get("path")
    if place is not None:
        _check_path(place, f"{path}.path", errors)


def _check_path(place: str, path: str, errors: Errors) -> None:
    if place == "/":
        return
    if not place.startswith("/"):
        errors.append(invalid_value(path, place, "must start with a '/'"))
    for i, step in enumerate(place[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(invalid_value(path, place, f"segment[{i}] may not be empty"))
        for complaint in dns_subdomain(step) if step else ():
            errors.append(invalid_value(path, place, f"segment[{i}]: {complaint}"))


def check_full_name(name: str, path: str, errors: Errors) -> None:
    """`hook.example.com`."""
    if not name:
        errors.append(required(path))
    elif dns_subdomain(name):
        check_name(name, path, errors, rule=dns_subdomain)
    elif name.count(".") < 2:
        told = "should be a domain with at least three segments separated by dots"
        errors.append(invalid_value(path, name, told))


def check_rule(rule: Hook, path: str, errors: Errors) -> None:
    """Which requests: operations, groups, versions, resources."""
    _check_wild(rule.get("operations") or [], f"{path}.operations", errors, what="operations")
    for i, operation in enumerate(rule.get("operations") or ()):
        if operation not in _OPERATIONS:
            errors.append(not_supported(f"{path}.operations[{i}]", operation, _OPERATIONS))
    _check_wild(rule.get("apiGroups") or [], f"{path}.apiGroups", errors, what="API groups")
    _check_wild(rule.get("apiVersions") or [], f"{path}.apiVersions", errors, what="API versions")
    for field in ("apiVersions", "resources"):
        for i, value in enumerate(rule.get(field) or ()):
            if not value:
                errors.append(required(f"{path}.{field}[{i}]"))
    _check_resources(rule.get("resources") or [], f"{path}.resources", errors)
    scope = rule.get("scope")
    if scope is not None and scope not in _SCOPES:
        errors.append(not_supported(f"{path}.scope", scope, _SCOPES))


def _check_wild(values: list[str], path: str, errors: Errors, *, what: str) -> None:
    if not values:
        errors.append(required(path))
    if len(values) > 1 and "*" in values:
        errors.append(invalid_value(path, values, f"if '*' is present, must not specify other {what}"))


def _check_resources(resources: list[str], path: str, errors: Errors) -> None:
    """Whatever a wildcard stands for must not be named besides."""
    if not resources:
        errors.append(required(path))
    wild_resources: set[str] = set()
    wild_subresources: set[str] = set()
    for i, text in enumerate(resources):
        resource, slash, subresource = text.partition("/")
        if not slash:
            continue
        if resource in wild_subresources:
            errors.append(invalid_value(f"{path}[{i}]", text, f"if '{resource}/*' is present, must not specify {text}"))
        if subresource in wild_resources:
            told = f"if '*/{subresource}' is present, must not specify {text}"
            errors.append(invalid_value(f"{path}[{i}]", text, told))
        if subresource == "*":
            wild_subresources.add(resource)
        if resource == "*":
            wild_resources.add(subresource)
    if len(resources) > 1 and "*/*" in resources:
        errors.append(invalid_value(path, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and any("/" not in text and text != "*" for text in resources):
        told = "if '*' is present, must not specify other resources without subresources"
        errors.append(invalid_value(path, resources, told))


def check_review_versions(versions: list[str], path: str, errors: Errors) -> None:
    if not versions:
        errors.append(required(path, "must specify one of v1, v1beta1"))
        return
    for i, version in enumerate(versions):
        if version in versions[:i]:
            errors.append(invalid_value(f"{path}[{i}]", version, "duplicate version"))
            continue
        errors.extend(invalid_value(f"{path}[{i}]", version, told) for told in names.dns1035_label(version))
    if not {"v1", "v1beta1"} & set(versions):
        errors.append(invalid_value(path, versions, "must include at least one of v1, v1beta1"))


def check_selectors(hook: Hook, path: str, errors: Errors) -> None:
    for field in ("namespaceSelector", "objectSelector"):
        check_selector(hook.get(field), f"{path}.{field}", errors)
