"""What upstream's Go types are called, as far as OpenAPI tells: clients see these names when a value has a wrong type.

OpenAPI says that a field is a string, not which named string type it has in Go; the ones that users meet are listed.
"""

from __future__ import annotations

from typing import Any

from apiserver.api.schema import INT_OR_STRING, MICRO_TIME, PROPS_OR_ARRAY, PROPS_OR_STRINGS, QUANTITY, TIME, Schema

_NAMED_STRINGS = {
    "PodSpec.restartPolicy": "v1.RestartPolicy",
    "PodSpec.dnsPolicy": "v1.DNSPolicy",
    "Container.imagePullPolicy": "v1.PullPolicy",
    "Container.terminationMessagePolicy": "v1.TerminationMessagePolicy",
    "ContainerPort.protocol": "v1.Protocol",
    "ServicePort.protocol": "v1.Protocol",
    "ServiceSpec.type": "v1.ServiceType",
    "ServiceSpec.sessionAffinity": "v1.ServiceAffinity",
    "Secret.type": "v1.SecretType",
    "Taint.effect": "v1.TaintEffect",
    "Toleration.effect": "v1.TaintEffect",
    "Toleration.operator": "v1.TolerationOperator",
    "NodeSelectorRequirement.operator": "v1.NodeSelectorOperator",
    "LabelSelectorRequirement.operator": "v1.LabelSelectorOperator",
    "DeploymentStrategy.type": "v1.DeploymentStrategyType",
    "HTTPGetAction.scheme": "v1.URIScheme",
    "NamespaceStatus.phase": "v1.NamespacePhase",
    "PodStatus.phase": "v1.PodPhase",
    "ObjectMeta.uid": "types.UID",
    "OwnerReference.uid": "types.UID",
    "ObjectReference.uid": "types.UID",
    "Preconditions.uid": "types.UID",
    "PersistentVolumeClaimSpec.volumeMode": "v1.PersistentVolumeMode",
}
_SPECIAL = {
    INT_OR_STRING: "int32",
    QUANTITY: "resource.Quantity",
    TIME: "string",
    MICRO_TIME: "string",
    PROPS_OR_ARRAY: "v1.JSONSchemaPropsOrArray",
    PROPS_OR_STRINGS: "v1.JSONSchemaPropsOrStringArray",
}
_SCALARS = {"string": "string", "boolean": "bool", "number": "float64"}


def struct_name(schema: Schema) -> str:
    """`PodSpec`; empty for an anonymous object."""
    return schema.definition.rpartition(".")[2]


def go_type(schema: Schema, *, owner: str = "", field: str = "") -> str:
    """`int32`, `map[string]string`, `[]v1.Container`."""
    if schema.definition:
        return _SPECIAL.get(schema.definition) or ".".join(schema.definition.split(".")[-2:])
    if schema.type == "integer":
        return schema.format or "int64"
    if schema.type == "array":
        return "[]" + (go_type(schema.items) if schema.items else "interface {}")
    if schema.is_map and schema.additional_properties:
        return _map_type(schema.additional_properties)
    if schema.type == "string" and schema.format == "byte":
        return "[]uint8"
    if schema.type == "string":
        return _NAMED_STRINGS.get(f"{owner}.{field}", "string")
    return _SCALARS.get(schema.type, "interface {}")


def _map_type(values: Schema) -> str:
    return "v1.ResourceList" if values.is_quantity else "map[string]" + go_type(values)


def json_value(value: Any, *, integer: bool = False) -> str:
    """How Go names a value that it can't use: `string`, `bool`, `number`, or for integers `number 1.5`."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return f"number {value}" if integer else "number"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "null"
