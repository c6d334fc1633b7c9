"""Which form of an object the client wants: itself, a Table, or its metadata alone; JSON or YAML.

Protobuf is never produced; a client that accepts nothing else gets 406. The rules are those of upstream's
`handlers/negotiation`: the first acceptable clause of the Accept header wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from apiserver.api.status import NotAcceptable

Form = Literal["object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

_FORMS: frozenset[str] = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})
_ACCEPTABLE = (
    "only the following media types are accepted: application/json, application/yaml, application/json;stream=watch"
)


@dataclass(frozen=True, slots=True)
class Accepted:
    form: Form = "object"
    yaml: bool = False


@lru_cache(maxsize=512)
def negotiate(accept: str) -> Accepted:
    """Raises NotAcceptable where no clause can be answered."""
    if not accept:
        return Accepted()
    for clause in _by_quality(accept):
        media, _, rest = clause.partition(";")
        parameters = dict(_parameter(p) for p in rest.split(";") if p)
        found = _match(media.strip().lower(), parameters)
        if found is not None:
            return found
    raise NotAcceptable(_ACCEPTABLE)


def _by_quality(accept: str) -> list[str]:
    clauses = [c.strip() for c in accept.split(",") if c.strip()]
    return sorted(clauses, key=lambda c: -_quality(c))


def _quality(clause: str) -> float:
    for parameter in clause.split(";")[1:]:
        key, value = _parameter(parameter)
        if key == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _parameter(text: str) -> tuple[str, str]:
    key, _, value = text.strip().partition("=")
    return key.strip(), value.strip()


def _match(media: str, parameters: dict[str, str]) -> Accepted | None:
    if media not in ("application/json", "application/yaml", "*/*", "application/*"):
        return None
    yaml = media == "application/yaml"
    form = parameters.get("as", "")
    if not form:
        return Accepted(yaml=yaml)
    if form not in _FORMS or parameters.get("g") != "meta.k8s.io" or parameters.get("v", "v1") not in ("v1", "v1beta1"):
        return None
    return Accepted(form=form, yaml=yaml)  # type: ignore[arg-type]
