"""Durations, warnings, continue tokens, forms: the small pure parts of the request path."""

import pytest

from apiserver.api.status import BadRequest, NotAcceptable
from apiserver.authn.impersonation import Needed, impersonation
from apiserver.cache import ContinueToken
from apiserver.rest import continuation, deadline, warnings
from apiserver.rest.negotiation import Accepted, negotiate, wants_pretty, wants_yaml


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("", 60),
        ("30s", 30),
        ("1m30s", 60),
        ("0.5s", 0.5),
        ("1h", 60),
        ("250ms", 0.25),
        (".5s", 0.5),
        ("0", 60),
        ("-1s", 0),
    ],
)
def test_a_timeout_is_what_was_asked_for_up_to_what_is_allowed(asked: str, seconds: float) -> None:
    assert deadline.seconds(asked, at_most=60) == seconds


@pytest.mark.parametrize("asked", ["30", "soon", "1d", "s", "1s ", "--1s", "1.2.3s"])
def test_what_is_no_duration_of_go_is_refused(asked: str) -> None:
    with pytest.raises(BadRequest):
        deadline.seconds(asked, at_most=60)


def test_a_warning_is_sent_once_quoted_and_on_one_line() -> None:
    made = warnings.headers(['say "a\\b"', "two\r\nlines", 'say "a\\b"'])
    assert made == [(b"warning", b'299 - "say \\"a\\\\b\\""'), (b"warning", b'299 - "two  lines"')]


def test_warnings_are_bounded() -> None:
    assert len(warnings.headers(str(i) for i in range(1000))) == warnings.MAX_HEADERS
    long = warnings.headers("x" * 1000 + str(i) for i in range(100))
    assert sum(len(value) for _, value in long) < 2 * warnings.MAX_LETTERS


def test_a_token_comes_back_as_it_was() -> None:
    token = ContinueToken(17, "default/ünï/x")
    assert continuation.decode(continuation.encode(token)) == token
    expired = continuation.too_old(token)
    assert continuation.decode(expired.to_status()["metadata"]["continue"]) == ContinueToken(-1, token.key)


@pytest.mark.parametrize("text", ["!", "abc", "e30", "W10", "bnVsbA", "eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6ImEifQ", "ü"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="invalid continue token: continue key is not valid"):
        continuation.decode(text)


def test_the_best_form_that_there_is_is_chosen() -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert negotiate(f"{table},application/json") == Accepted("Table")
    assert negotiate(f"{table};q=0.5,application/yaml") == Accepted("object", yaml=True)
    assert negotiate(" Application/JSON ; charset=utf-8") == Accepted()
    assert negotiate("application/json;as=Nothing;v=v1;g=meta.k8s.io, */*;q=0.1") == Accepted()
    for nothing in ("text/html", "application/json;as=Nothing", "application/vnd.kubernetes.protobuf"):
        with pytest.raises(NotAcceptable):
            negotiate(nothing)
        assert not wants_yaml(nothing)


@pytest.mark.parametrize(
    ("asked", "agent", "pretty"),
    [
        ("", "kubectl/1.36", False),
        ("", "curl/8", True),
        ("true", "x", True),
        ("0", "curl/8", False),
        ("yes", "curl/8", False),
    ],
)
def test_who_reads_gets_it_laid_out(asked: str, agent: str, pretty: bool) -> None:
    assert wants_pretty(asked, agent) is pretty


def test_whoever_acts_as_somebody_is_asked_for_each_part_of_them() -> None:
    wanted = impersonation(
        [
            (b"impersonate-user", b"jane"),
            (b"impersonate-group", b"dev"),
            (b"impersonate-group", b"ops"),
            (b"impersonate-uid", b"7"),
            (b"impersonate-extra-team%2fa", b"x"),
            (b"accept", b"*/*"),
        ]
    )
    assert wanted is not None
    assert list(wanted.needed()) == [
        Needed("users", "jane"),
        Needed("groups", "dev"),
        Needed("groups", "ops"),
        Needed("userextras", "x", group="authentication.k8s.io", subresource="team/a"),
        Needed("uids", "7", group="authentication.k8s.io"),
    ]
    user = wanted.as_user()
    assert (user.name, user.uid, user.groups) == ("jane", "7", ("dev", "ops", "system:authenticated"))


def test_acting_as_nobody_is_acting_as_oneself() -> None:
    assert impersonation([(b"accept", b"*/*")]) is None
    anonymous = impersonation([(b"impersonate-user", b"system:anonymous")])
    assert anonymous is not None
    assert anonymous.as_user().groups == ("system:unauthenticated",)
    account = impersonation([(b"impersonate-user", b"system:serviceaccount:ns:robot")])
    assert account is not None
    assert list(account.needed()) == [Needed("serviceaccounts", "robot", namespace="ns")]
