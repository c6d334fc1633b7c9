"""Which form of an object the client wants: itself, a Table, or its metadata alone; JSON or YAML; for a human or not.

Protobuf is never produced; a client that accepts nothing else gets 406. The rules are those of upstream's
`handlers/negotiation`: the first acceptable clause of the Accept header wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from apiserver.api.status import NotAcceptable

Form = Literal["object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

_FORMS: dict[str, Form] = {name: name for name in get_args(Form) if name != "object"}
_ACCEPTABLE = "only the following media types are accepted: application/json, application/yaml"
_MEDIA = frozenset({"application/json", "application/yaml", "application/*", "*/*"})
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_HUMAN_AGENTS = ("curl", "Wget", "Mozilla/5.0")


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
        found = _match(media.strip().lower(), dict(_parameter(p) for p in rest.split(";") if p))
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
    if media not in _MEDIA:
        return None
    yaml = media == "application/yaml"
    asked = parameters.get("as", "")
    if not asked:
        return Accepted(yaml=yaml)
    form = _FORMS.get(asked)
    if form is None or (parameters.get("g"), parameters.get("v")) != ("meta.k8s.io", "v1"):
        return None
    return Accepted(form, yaml)


def wants_yaml(accept: str) -> bool:
    """Whether answers are YAML, errors too; an error about the header itself is JSON."""
    try:
        return negotiate(accept).yaml
    except NotAcceptable:
        return False


def wants_pretty(asked: str, user_agent: str) -> bool:
    """Whether JSON is laid out for reading: as the parameter `pretty` says, else by who is asking."""
    return asked in _TRUE if asked else user_agent.startswith(_HUMAN_AGENTS)
