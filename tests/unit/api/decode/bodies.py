"""Short ways to decode a body in tests."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.api.decode import Decoded, decode_object
from apiserver.api.resources import REGISTRY, Resource
from apiserver.api.schema import schema_for
from apiserver.api.status import BadRequest

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def resource(plural: str, group: str = "", version: str = "v1") -> Resource:
    found = REGISTRY.lookup(group, version, plural)
    assert found is not None
    return found


CONFIG_MAPS = resource("configmaps")
PODS = resource("pods")
DEPLOYMENTS = resource("deployments", "apps")


def decode(body: Any, target: Resource = CONFIG_MAPS, *, media: str = JSON, mode: str = "warn") -> Decoded:
    """`body` is bytes, or a document that is sent as JSON."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return decode_object(raw, media, resource=target, schema=schema_for(target.definition), mode=mode)


def refusal(body: Any, target: Resource = CONFIG_MAPS, *, media: str = JSON, mode: str = "warn") -> str:
    """The message of the 400 that the body gets."""
    with pytest.raises(BadRequest) as caught:
        decode(body, target, media=media, mode=mode)
    return caught.value.message
