from __future__ import annotations

import contextlib
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.protobuf import NotProtobuf, decode_message, open_envelope
from apiserver.api.protobuf_messages import definitions
from apiserver.api.schema import schema_for
from tests.unit.api.decode.bodies import PODS, PROTOBUF, decode, refusal
from tests.unit.api.protobuf.encoder import KINDS, encode, envelope, sized, tag, varint
from tests.unit.api.shapes import objects, tries

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
PROPS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def told(raw: bytes, definition: str = META) -> str:
    with pytest.raises(NotProtobuf) as caught:
        decode_message(definition, raw)
    return str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x80", "unexpected EOF"),
        (b"\x0a", "unexpected EOF"),
        (b"\x0a\x05abcd", "unexpected EOF"),
        (b"\x0a\xff\xff\xff\xff\x0f", "unexpected EOF"),
        (b"\x0a" + varint(2**63), "proto: negative length found during unmarshaling"),
        (b"\x80" * 10 + b"\x01", "proto: integer overflow"),
        (b"\x38" + b"\xff" * 10, "proto: integer overflow"),
        (b"\x00\x01", "proto: illegal tag 0 (wire type 0)"),
        (tag(900, 6), "proto: illegal wireType 6"),
        (tag(900, 7), "proto: illegal wireType 7"),
        (tag(900, 4), "proto: unexpected end of group"),
        (tag(900, 3) * 50, "unexpected EOF"),
        (tag(900, 1) + b"1234567", "unexpected EOF"),
        (tag(900, 5) + b"123", "unexpected EOF"),
        (tag(1, 0) + b"\x01", "proto: wrong wireType = 0 for field Name"),
        (sized(7, b"\x01"), "proto: wrong wireType = 2 for field Generation"),
        (tag(8, 0) + b"\x01", "proto: wrong wireType = 0 for field CreationTimestamp"),
        (sized(1, b"\xff\xfe"), "proto: string field contains invalid UTF-8"),
        (sized(11, sized(1, b"\xff")), "proto: string field contains invalid UTF-8"),
        (sized(11, tag(1, 0) + b"\x01"), "proto: wrong wireType = 0 for field 1"),
        (sized(8, sized(1, b"")), "proto: wrong wireType = 2 for field 1"),
        (sized(8, tag(1, 0) + varint(2**62)), "Time.MarshalJSON: year outside of range [0,9999]"),
        (sized(17, sized(7, sized(1, b"{"))), "unexpected end of JSON input"),
        (sized(17, sized(7, sized(1, b"k8s\0"))), "invalid character 'k' looking for beginning of value"),
    ],
)
def test_what_is_malformed_is_told_in_upstream_s_words(raw: bytes, message: str) -> None:
    assert told(raw) == message


def test_numbers_that_json_has_no_form_for_are_refused() -> None:
    assert told(tag(9, 1) + b"\0\0\0\0\0\0\xf0\x7f", PROPS) == "json: unsupported value: inf"
    assert told(tag(9, 1) + b"\0\0\0\0\0\0\xf8\x7f", PROPS) == "json: unsupported value: nan"
    assert told(tag(9, 1) + b"\0\0\0\0", PROPS) == "unexpected EOF"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (envelope("v1", "ConfigMap", b"", encoding="gzip"), "without a content encoding"),
        (envelope("v1", "ConfigMap", b"{}", content_type="application/json"), "must be protobuf"),
        (b"k8s\0" + tag(1, 0) + b"\x01", "proto: wrong wireType = 0 for field 1"),
        (b"k8s\0" + sized(1, sized(1, b"\xff")), "invalid UTF-8"),
        (b"k8s\x01abc", "does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
    ],
)
def test_an_envelope_that_can_not_be_read_is_refused(body: bytes, message: str) -> None:
    assert message in refusal(body, media=PROTOBUF)


def test_the_envelope_s_kind_must_fit() -> None:
    other = refusal(envelope("v1", "Pod", b""), media=PROTOBUF)
    assert other.endswith(
        "cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion"
    )
    assert refusal(envelope("v2", "ConfigMap", b""), media=PROTOBUF).startswith(
        'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered'
    )


def test_an_envelope_without_a_kind_is_taken_for_what_the_url_names() -> None:
    raw = sized(1, sized(1, b"a"))
    assert decode(b"k8s\0" + sized(2, raw), media=PROTOBUF).obj == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
    }
    assert open_envelope(envelope("v1", "X", raw, content_type=PROTOBUF)).raw == raw


def test_a_malformed_object_is_refused_with_its_kind() -> None:
    body = envelope("v1", "ConfigMap", b"\x0a\x05abcd")
    assert refusal(body, media=PROTOBUF) == 'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF'


def test_a_quantity_that_is_none_is_refused() -> None:
    body = encode(PODS.definition, {"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}})
    assert "quantities must match" in refusal(envelope("v1", "Pod", body), PODS, media=PROTOBUF)


def test_nesting_is_bounded() -> None:
    raw = b""
    for _ in range(100_000 // 6):
        raw = sized(28, raw) if len(raw) < 60_000 else raw
    assert told(raw, PROPS) == "exceeded max depth"
    assert told(sized(8, sized(1, b"[" * 300 + b"]" * 300)), PROPS) == "exceeded max depth"


def test_no_memory_is_taken_for_a_length_that_the_bytes_do_not_bear_out() -> None:
    tracemalloc.start()
    for _ in range(100):
        told(b"\x0a" + varint(2**31 - 1))
        told(sized(11, b"\x0a" + varint(2**40)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 1024 * 1024


@tries(500)
@given(st.sampled_from(sorted(definitions())), st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(definition: str, raw: bytes) -> None:
    with contextlib.suppress(NotProtobuf):
        orjson.dumps(decode_message(definition, raw))


@tries(300)
@given(st.data())
def test_a_message_that_was_damaged_on_its_way_is_an_object_or_refused(data: st.DataObject) -> None:
    definition = data.draw(st.sampled_from(KINDS))
    raw = bytearray(encode(definition, data.draw(objects(schema_for(definition)))))
    for _ in range(data.draw(st.integers(1, 3))):
        if raw:
            at = data.draw(st.integers(0, len(raw) - 1))
            raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        with contextlib.suppress(NotProtobuf):
            orjson.dumps(decode_message(definition, damaged))
