"""The selectors of a request: which objects a LIST, a WATCH or a DELETE of a collection means."""

from __future__ import annotations

from apiserver.api.selectors import FieldRequirement, FieldSelector, LabelSelector, SelectorError
from apiserver.api.status import BadRequest
from apiserver.cache import Matcher
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.options import ListOptions

_NAME, _NAMESPACE = "metadata.name", "metadata.namespace"


def matcher_of(endpoint: Endpoint, options: ListOptions, *, name: str = "") -> Matcher | None:
    """None selects everything. `name` is that of a watch of one object. Raises BadRequest."""
    if not options.label_selector and not options.field_selector and not name:
        return None
    try:
        labels = LabelSelector.parse(options.label_selector)
        fields = FieldSelector.parse(options.field_selector)
    except SelectorError as err:
        raise BadRequest(str(err)) from err
    _check_fields(endpoint, fields)
    if name:
        fields = _only(name, fields)
    return Matcher(
        key=f"{labels.key}|{fields.key}",
        labels=None if labels.is_empty else labels.matches,
        fields=fields.matches if fields.requirements else None,
    )


def _only(name: str, fields: FieldSelector) -> FieldSelector:
    if not fields.requirements:
        return FieldSelector((FieldRequirement(_NAME, "=", name),))
    if fields.exact(_NAME) != name:
        raise BadRequest("fieldSelector metadata.name doesn't match requested name")
    return fields


def _check_fields(endpoint: Endpoint, selector: FieldSelector) -> None:
    own = endpoint.rules.field_names
    for requirement in selector.requirements:
        field = requirement.field
        if field in own or field == _NAME or (field == _NAMESPACE and (endpoint.resource.namespaced or not own)):
            continue
        if own:
            raise BadRequest(f"field label not supported: {field}")
        raise BadRequest(f'"{field}" is not a known field selector: only "{_NAME}", "{_NAMESPACE}"')
