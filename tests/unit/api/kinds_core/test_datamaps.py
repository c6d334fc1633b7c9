"""ConfigMaps and Secrets."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.kinds import configmap, secret
from apiserver.api.kinds.base import KindRules
from tests.unit.api.kinds_core.objects import an_object, encoded
from tests.unit.api.kinds_workloads.objects import NOW, complaints, created, told

BAD_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
BOTH = pytest.mark.parametrize("rules", [configmap.RULES, secret.RULES], ids=lambda rules: rules.kind)


@BOTH
def test_keys_can_be_file_names(rules: KindRules) -> None:
    assert complaints(rules, an_object(data={"a b": "", "..": ""})) == [
        f'data[a b]: Invalid value: "a b": {BAD_KEY}',
        "data[..]: Invalid value: \"..\": must not be '..'",
    ]


@BOTH
def test_immutable_data_stays_and_so_does_the_promise(rules: KindRules) -> None:
    old = created(rules, an_object(immutable=True, data={"a": encoded("b")}))
    assert told(rules.validate_update(created(rules, an_object(data={"a": encoded("c")})), old)) == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]
    assert rules.validate_update(old, old) == []
    assert rules.validate_update(old, created(rules, an_object(data={}))) == []


@BOTH
def test_a_table_counts_the_entries(rules: KindRules) -> None:
    made = created(rules, an_object(data={"a": "", "b": ""}))
    assert rules.row is not None
    cells = rules.row(made, NOW)
    assert (cells[0], *cells[-2:]) == ("a", 2, "2m")
    assert not rules.counts_generation


def test_a_config_map_has_a_key_once_and_at_most_a_mebibyte() -> None:
    rules = configmap.RULES
    assert complaints(rules, an_object(data={"a": ""}, binaryData={"a": ""})) == [
        'data[a]: Invalid value: "a": duplicate of key present in binaryData'
    ]
    half = "é" * (256 * 1024)
    assert complaints(rules, an_object(data={"a": half}, binaryData={"b": encoded(half)})) == []
    assert complaints(rules, an_object(data={"a": half + "x"}, binaryData={"b": encoded(half)})) == [
        ": Too long: may not be more than 1048576 bytes"
    ]


def test_what_is_written_as_text_is_read_as_bytes() -> None:
    made = created(secret.RULES, an_object(data={"a": encoded("1"), "b": encoded("2")}, stringData={"b": "ü"}))
    assert made["data"] == {"a": encoded("1"), "b": encoded("ü")}
    assert "stringData" not in made
    assert made["type"] == "Opaque"
    assert secret.RULES.selectable_fields(made) == {"type": "Opaque"}


def test_a_secret_holds_at_most_a_mebibyte_of_bytes() -> None:
    whole = encoded("x" * (1024 * 1024))
    assert complaints(secret.RULES, an_object(data={"a": whole})) == []
    assert complaints(secret.RULES, an_object(data={"a": whole, "b": encoded("y")})) == [
        "data: Too long: may not be more than 1048576 bytes"
    ]


def test_a_secrets_type_stays() -> None:
    old = created(secret.RULES, an_object(type="example.com/a"))
    assert told(secret.RULES.validate_update(created(secret.RULES, an_object()), old)) == [
        'type: Invalid value: "Opaque": field is immutable'
    ]


TOKEN, TLS = "kubernetes.io/service-account-token", "kubernetes.io/tls"
REDACTED = 'Invalid value: "<secret contents redacted>"'


@pytest.mark.parametrize(
    ("kind", "data", "found"),
    [
        (TOKEN, {}, ["metadata.annotations[kubernetes.io/service-account.name]: Required value"]),
        (TLS, {}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        (TLS, {"tls.crt": "", "tls.key": ""}, []),
        ("kubernetes.io/basic-auth", {}, ["data[username]: Required value", "data[password]: Required value"]),
        ("kubernetes.io/basic-auth", {"password": ""}, []),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": ""}, ["data[ssh-privatekey]: Required value"]),
        ("kubernetes.io/dockercfg", {}, ["data[.dockercfg]: Required value"]),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": encoded("{}")}, []),
        (
            "kubernetes.io/dockerconfigjson",
            {".dockerconfigjson": encoded("no")},
            [f"data[.dockerconfigjson]: {REDACTED}: invalid character 'o' in literal null (expecting 'u')"],
        ),
        (
            "kubernetes.io/dockercfg",
            {".dockercfg": encoded("[]")},
            [
                (
                    f"data[.dockercfg]: {REDACTED}: "
                    "json: cannot unmarshal array into Go value of type map[string]interface {}"
                )
            ],
        ),
        ("example.com/anything", {}, []),
    ],
)
def test_a_type_promises_its_entries(kind: str, data: dict[str, Any], found: list[str]) -> None:
    assert complaints(secret.RULES, an_object(type=kind, data=data)) == found
