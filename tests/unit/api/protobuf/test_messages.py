from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.protobuf import NotProtobuf, decode_message
from apiserver.api.protobuf_messages import definitions
from apiserver.api.protobuf_names import json_name
from apiserver.api.protobuf_zeros import PLAIN_NUMBERS, POINTER_TEXTS
from apiserver.api.schema import Schema, schema_for
from apiserver.api.schema_source import definitions as openapi
from tests.unit.api.protobuf.encoder import KINDS, encode, sized, tag, varint
from tests.unit.api.shapes import objects, tries

CORE = "io.k8s.api.core.v1."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
LEASE = ["holderIdentity", "leaseTransitions", "leaseDurationSeconds"]
STRUCTS = sorted(name for name in definitions() if name in openapi() and schema_for(name).is_object)


def without_empties(value: Any) -> Any:
    """Without empty texts, lists and maps, zeros and false: what protobuf may not tell from unset."""
    if isinstance(value, list):
        return [without_empties(v) for v in value]
    if isinstance(value, dict):
        kept = {k: without_empties(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in ("", 0, [], {}, None)}
    return value


@tries(400)
@given(st.data())
def test_what_a_client_encodes_is_decoded_to_its_json(data: st.DataObject) -> None:
    definition = data.draw(st.sampled_from(KINDS))
    obj = data.draw(objects(schema_for(definition)))
    decoded = decode_message(definition, encode(definition, obj))
    assert without_empties(decoded) == without_empties(obj)


def a_value(schema: Schema, depth: int = 3) -> Any:
    """One value of the schema that is not empty."""
    if "JSONSchemaPropsOr" in schema.definition:
        return {"type": "string"}
    if schema.is_free_form:
        return {"any": ["thing", 1, None]}
    if schema.is_quantity:
        return "100m"
    if schema.is_int_or_string:
        return "http"
    if schema.definition.endswith("MicroTime"):
        return "2024-01-02T03:04:05.000006Z"
    if schema.definition.endswith(".Time"):
        return "2024-01-02T03:04:05Z"
    if schema.is_map:
        return {"k": a_value(schema.additional_properties or Schema({}), depth - 1)}
    if schema.type == "array":
        return [a_value(schema.items or Schema({}), depth - 1)]
    if schema.is_object:
        return _some_fields(schema, depth - 1) if depth > 0 else {}
    plain = {"integer": -7, "number": 1.5, "boolean": True}
    return plain.get(schema.type) or ("YQ==" if schema.format == "byte" else "é")


def _some_fields(schema: Schema, depth: int) -> dict[str, Any]:
    names = [name for name in schema.properties if name not in ("apiVersion", "kind")][:6]
    return {name: a_value(schema.properties[name], depth) for name in names}


@pytest.mark.parametrize("definition", STRUCTS)
def test_every_field_of_every_message_comes_back(definition: str) -> None:
    schema = schema_for(definition)
    in_envelope = {"apiVersion", "kind"} - {
        json_name(definition, name) for name, _ in definitions()[definition].values()
    }
    for name in schema.properties.keys() - in_envelope:
        obj = {name: a_value(schema.properties[name])}
        assert decode_message(definition, encode(definition, obj)) == obj


def test_the_exceptions_for_empty_values_name_fields_that_exist() -> None:
    kinds: dict[str, dict[str, str]] = {}
    for definition, fields in definitions().items():
        struct = kinds.setdefault(definition.rpartition(".")[2], {})
        struct.update({json_name(definition, name): kind for name, kind in fields.values()})
    kinds["*"] = {name: kind for fields in kinds.values() for name, kind in fields.items()}
    for table, allowed in ((PLAIN_NUMBERS, {"bool", "int32", "int64"}), (POINTER_TEXTS, {"string"})):
        for struct_name, names in table.items():
            assert {kinds[struct_name].get(name) for name in names.split()} <= allowed, struct_name


@pytest.mark.parametrize(
    ("definition", "empty", "kept"),
    [
        ("apps.v1.DeploymentSpec", {"replicas": 0, "minReadySeconds": 0, "paused": False}, ["replicas"]),
        ("core.v1.PodSpec", {"hostNetwork": False, "enableServiceLinks": False}, ["enableServiceLinks"]),
        ("core.v1.PodSpec", {"terminationGracePeriodSeconds": 0, "nodeName": ""}, ["terminationGracePeriodSeconds"]),
        ("core.v1.PodSpec", {"priority": 0, "runtimeClassName": "", "hostname": ""}, ["priority", "runtimeClassName"]),
        ("core.v1.SecurityContext", {"runAsUser": 0, "privileged": False}, ["runAsUser", "privileged"]),
        ("core.v1.PersistentVolumeClaimSpec", {"storageClassName": "", "volumeName": ""}, ["storageClassName"]),
        ("core.v1.Container", {"name": "", "image": "", "tty": False}, ["name"]),
        ("core.v1.Probe", {"periodSeconds": 0, "terminationGracePeriodSeconds": 0}, ["terminationGracePeriodSeconds"]),
        ("core.v1.ConfigMap", {"data": {"k": ""}, "immutable": False}, ["data", "immutable"]),
        ("core.v1.Secret", {"data": {"k": ""}, "type": ""}, ["data"]),
        ("coordination.v1.LeaseSpec", {"holderIdentity": "", "leaseTransitions": 0, "leaseDurationSeconds": 0}, LEASE),
        ("core.v1.EndpointPort", {"name": "", "port": 0, "appProtocol": ""}, ["port", "appProtocol"]),
        ("discovery.v1.EndpointPort", {"name": "", "port": 0}, ["name", "port"]),
        ("autoscaling.v2.HorizontalPodAutoscalerStatus", {"observedGeneration": 0}, ["observedGeneration"]),
        ("apps.v1.DeploymentStatus", {"observedGeneration": 0, "replicas": 0}, []),
        ("core.v1.Volume", {"name": "v", "emptyDir": {}}, ["name", "emptyDir"]),
    ],
)  # fmt: skip
def test_an_empty_value_is_kept_where_it_was_set_on_purpose(definition: str, empty: Any, kept: list[str]) -> None:
    definition = "io.k8s.api." + definition
    assert decode_message(definition, encode(definition, empty)) == {name: empty[name] for name in kept}


def test_what_go_inlines_stands_in_the_object_around_it() -> None:
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5}
    assert decode_message(CORE + "Probe", encode(CORE + "Probe", probe)) == probe
    named = "io.k8s.api.admissionregistration.v1.NamedRuleWithOperations"
    raw = sized(1, b"a") + sized(2, sized(1, b"CREATE") + sized(2, sized(1, b"*")))
    assert decode_message(named, raw) == {"operations": ["CREATE"], "apiGroups": ["*"], "resourceNames": ["a"]}


def test_messages_that_come_in_pieces_are_merged() -> None:
    raw = sized(1, sized(1, b"a")) + sized(1, sized(3, b"ns")) + sized(2, sized(1, b"k") + sized(2, b"1"))
    raw += sized(2, sized(1, b"k") + sized(2, b"2")) + sized(2, sized(2, b"lone"))
    assert decode_message(CORE + "ConfigMap", raw) == {
        "metadata": {"name": "a", "namespace": "ns"},
        "data": {"k": "2", "": "lone"},
    }


def test_of_a_scalar_that_comes_twice_the_last_one_counts() -> None:
    assert decode_message(META + "ObjectMeta", sized(1, b"a") + sized(1, b"b")) == {"name": "b"}
    assert decode_message(META + "ObjectMeta", sized(1, b"a") + sized(1, b"")) == {}


def test_repeated_numbers_may_be_packed() -> None:
    security = CORE + "PodSecurityContext"
    apart = tag(4, 0) + varint(1) + tag(4, 0) + varint(-1)
    packed = sized(4, varint(1) + varint(-1))
    assert decode_message(security, apart) == decode_message(security, packed) == {"supplementalGroups": [1, -1]}


def test_unknown_fields_are_skipped_whatever_they_are() -> None:
    unknown = tag(900, 0) + varint(-1) + tag(901, 1) + b"12345678" + sized(902, b"x" * 300) + tag(903, 5) + b"1234"
    group = tag(904, 3) + sized(1, b"within") + tag(905, 3) + tag(905, 4) + tag(904, 4)
    assert decode_message(META + "ObjectMeta", unknown + group + sized(1, b"a")) == {"name": "a"}


def test_times_are_text_and_no_time_is_nothing() -> None:
    meta = META + "ObjectMeta"
    assert decode_message(meta, sized(8, b"")) == {}
    assert decode_message(meta, sized(8, tag(1, 0) + varint(0))) == {"creationTimestamp": "1970-01-01T00:00:00Z"}
    before = decode_message(meta, sized(8, tag(1, 0) + varint(-1) + tag(2, 0) + varint(999_999_999)))
    assert before == {"creationTimestamp": "1969-12-31T23:59:59Z"}


def test_only_kinds_that_have_a_message_can_be_read() -> None:
    with pytest.raises(NotProtobuf, match="does not implement the protobuf marshalling interface"):
        decode_message("com.example.v1.Widget", b"")
