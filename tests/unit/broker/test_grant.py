"""What POST …/credentials answered, read and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broker.credentials import Credentials, for_listener
from broker.grant import LEAST_RENEWAL_SECONDS, BadGrant, Grant
from broker.nkeys import KeyPair

MADE = for_listener(KeyPair.new("account"), name="audit", consumer="audit", lifetime_seconds=600)


def answer(**changes: Any) -> dict[str, Any]:
    status = {
        "servers": ["nats://127.0.0.1:4222"],
        "jwt": MADE.jwt,
        "credentials": MADE.text(),
        "inboxPrefix": MADE.inbox_prefix,
        "consumer": "audit",
        **changes,
    }
    return {"kind": "SubscriptionCredentials", "status": {k: v for k, v in status.items() if v is not None}}


def test_an_answer_is_all_there_is_to_know() -> None:
    grant = Grant.of_answer(answer(labelSelector={"matchLabels": {"a": "b"}}, startFrom="Everything"))
    assert (grant.servers, grant.consumer, grant.credentials) == (("nats://127.0.0.1:4222",), "audit", MADE)
    assert (grant.label_selector, grant.snapshot_first) == ({"matchLabels": {"a": "b"}}, True)
    assert (grant.expires_at, grant.certificate_authority) == (MADE.expires_at, "")
    assert MADE.seed not in repr(grant)


def test_whoever_asked_with_a_key_has_its_seed() -> None:
    assert Grant.of_answer(answer(credentials=None), seed="SU…").credentials == Credentials(MADE.jwt, "SU…")


@pytest.mark.parametrize("missing", ["servers", "jwt", "credentials", "consumer"])
def test_an_answer_that_lacks_something_is_refused(missing: str) -> None:
    with pytest.raises(BadGrant, match=missing):
        Grant.of_answer(answer(**{missing: None}))


def test_something_else_is_refused() -> None:
    for told in ({}, {"status": None}, {"kind": "Status", "status": "Failure"}):
        with pytest.raises(BadGrant):
            Grant.of_answer(told)


def test_a_credentials_file_needs_the_rest_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "audit.creds"
    file.write_text(MADE.text())
    grant = Grant.of_file(file, servers=["nats://a", "nats://b"], consumer="audit")
    assert (grant.credentials, grant.servers, grant.consumer) == (MADE, ("nats://a", "nats://b"), "audit")
    file.write_text("nothing")
    with pytest.raises(BadGrant, match=r"audit\.creds"):
        Grant.of_file(file, servers=["nats://a"], consumer="audit")


def test_it_is_renewed_at_half_of_its_life() -> None:
    now = MADE.expires_at - 600
    grant = Grant.of_answer(answer(), seed=MADE.seed, asked_at=now)
    assert grant.renew_in(now) == pytest.approx(300, abs=5)
    assert grant.renew_in(now + 100) == pytest.approx(200, abs=5)
    assert grant.renew_in(now + 500) == LEAST_RENEWAL_SECONDS
