"""Keys and JWTs in NATS' own forms. The fixed texts were made by NATS' own tools."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from broker.nkeys import SEED_BYTES, BadKey, KeyPair, Kind, check_public, claims_of

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
"""The example of NATS' documentation on nkeys."""
ACCOUNT = KeyPair("account", bytes(SEED_BYTES)).public


def test_a_seed_of_nats_own_tools_gives_the_same_public_key() -> None:
    key = KeyPair.from_seed(SEED)
    assert (key.kind, key.public, key.seed) == ("user", PUBLIC, SEED)


@given(st.sampled_from(["operator", "account", "user"]), st.binary(min_size=32, max_size=32))
def test_a_seed_is_read_back_as_the_same_key(kind: Kind, raw: bytes) -> None:
    key = KeyPair(kind, raw)
    again = KeyPair.from_seed(f" {key.seed}\n")
    assert (again.kind, again.public) == (kind, key.public)
    assert key.seed[0] == "S"
    assert key.seed[1] == key.public[0] == {"operator": "O", "account": "A", "user": "U"}[kind]
    assert (len(key.seed), len(key.public)) == (58, 56)
    check_public(key.public, kind)


@pytest.mark.parametrize(
    "text", ["", "S", "not a seed!", PUBLIC, SEED[:-1], SEED[:-2] + "AA", SEED[0] + "Z" + SEED[2:]]
)
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        KeyPair.from_seed(text)


@pytest.mark.parametrize("text", ["", "U", "ü", SEED, PUBLIC[:-1] + "A", PUBLIC.lower(), ACCOUNT])
def test_what_is_no_public_key_of_a_user_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        check_public(text, "user")


def test_a_key_never_shows_its_seed() -> None:
    key = KeyPair.new("account")
    assert key.seed not in repr(key)
    assert key.public in repr(key)


def test_a_jwt_says_who_vouches_for_whom_and_is_signed() -> None:
    account, user = KeyPair.new("account"), KeyPair.new("user")
    jwt = account.issue(user.public, name="audit", claims={"type": "user"}, issued_at=100, expires_at=200)
    head, body, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in jwt.split("."))
    assert json.loads(head) == {"typ": "JWT", "alg": "ed25519-nkey"}
    claims = claims_of(jwt)
    assert claims == json.loads(body)
    assert {k: claims[k] for k in ("iss", "sub", "name", "iat", "exp")} == {
        "iss": account.public, "sub": user.public, "name": "audit", "iat": 100, "exp": 200,
    }  # fmt: skip
    assert claims["nats"] == {"type": "user", "version": 2}
    raw = base64.b32decode(account.public)[1:33]
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, jwt.rpartition(".")[0].encode())


def test_a_jwt_without_an_end_never_expires() -> None:
    account = KeyPair.new("account")
    assert "exp" not in claims_of(account.issue(account.public, name="x", claims={}, issued_at=1))


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "ü.ü"])
def test_what_is_no_jwt_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        claims_of(text)
