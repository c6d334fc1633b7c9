"""What credentials allow, as nats-server reads it in their JWT."""

from __future__ import annotations

import time

import pytest

from broker.credentials import EVERY_NODE, Credentials, Trust, for_api_server, for_listener
from broker.nkeys import BadKey, KeyPair, claims_of


def permissions(credentials: Credentials) -> tuple[list[str], list[str]]:
    nats = claims_of(credentials.jwt)["nats"]
    return nats["pub"]["allow"], nats["sub"]["allow"]


def test_a_listener_may_speak_to_its_consumer_and_hear_its_inbox() -> None:
    made = for_listener(KeyPair.new("account"), name="audit", consumer="audit", lifetime_seconds=60)
    publish, subscribe = permissions(made)
    assert publish == [
        "stream.state",
        "$JS.API.CONSUMER.MSG.NEXT.CHANGES.audit",
        "$JS.API.CONSUMER.RESET.CHANGES.audit",
        "$JS.ACK.CHANGES.audit.>",
    ]
    assert subscribe == [f"{made.inbox_prefix}.>"]
    assert made.listener
    assert made.expires_at == pytest.approx(time.time() + 60, abs=5)


def test_live_subjects_are_the_selections_own() -> None:
    made = for_listener(
        KeyPair.new("account"), name="a", consumer="a", live=["changes.core.pods.web.>"], lifetime_seconds=60
    )
    assert permissions(made)[1][1:] == ["live.changes.core.pods.web.>"]


@pytest.mark.parametrize(
    ("node", "subject"), [("node-1", "nodes.node-1.>"), ("a.b", "nodes.a%2Eb.>"), (EVERY_NODE, "nodes.*.>")]
)
def test_a_node_also_serves_its_own_requests_and_answers_them(node: str, subject: str) -> None:
    made = for_listener(KeyPair.new("account"), name="kubelet", node=node, lifetime_seconds=60)
    assert permissions(made)[1][1:] == [subject]
    assert claims_of(made.jwt)["nats"]["resp"] == {"max": -1, "ttl": 0}


def test_renewed_credentials_are_of_the_same_user_and_hold_no_seed() -> None:
    account = KeyPair.new("account")
    first = for_listener(account, name="a", consumer="a", lifetime_seconds=60)
    user = KeyPair.from_seed(first.seed).public
    again = for_listener(account, name="a", consumer="a", lifetime_seconds=600, user=user)
    assert (again.inbox_prefix, again.seed) == (first.inbox_prefix, "")
    assert again.expires_at > first.expires_at


def test_an_api_server_is_no_listener_and_does_not_expire() -> None:
    made = for_api_server(KeyPair.new("account"))
    assert permissions(made) == ([">"], [">"])
    assert (made.listener, made.expires_at) == (False, 0)


def test_a_credentials_file_is_read_back() -> None:
    made = for_listener(KeyPair.new("account"), name="audit", consumer="audit", lifetime_seconds=60)
    again = Credentials.parse(made.text())
    assert (again, again.name) == (made, "audit")
    assert made.seed not in repr(made)


@pytest.mark.parametrize("text", ["", "-----BEGIN NATS USER JWT-----", "-----BEGIN A-----\na\n-----BEGIN B-----\nb\n"])
def test_what_is_no_credentials_file_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        Credentials.parse(text)


def test_trust_is_the_same_after_it_was_kept() -> None:
    trust = Trust.new()
    again = Trust.from_seeds(trust.seeds())
    assert again.seeds() == trust.seeds()
    assert trust.listeners.public in again.server_config()
    assert trust.listeners.seed not in again.server_config()
