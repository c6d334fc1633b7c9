"""What a request for changes selects, and what it says when it selects nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from apiserver.api.resources import REGISTRY
from apiserver.api.status import BadRequest
from apiserver.history.asked import Asked, Target, filters, moment, read, resolve
from apiserver.rest.request import Query
from broker import subjects

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def _read(**query: object) -> Asked:
    return read(Query.parse(urlencode(query, doseq=True).encode()), REGISTRY, NOW)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pods", ("", "pods")),
        ("pod", ("", "pods")),
        ("po", ("", "pods")),
        ("Pod", ("", "pods")),
        ("pods.v1.", ("", "pods")),
        ("deploy", ("apps", "deployments")),
        ("deployments.apps", ("apps", "deployments")),
        ("deployment.v1.apps", ("apps", "deployments")),
        ("events", ("", "events")),
        ("ev.events.k8s.io", ("events.k8s.io", "events")),
        ("subs.broker.backbeat.dev", ("broker.backbeat.dev", "subscriptions")),
        ("subscriptions", ("broker.backbeat.dev", "subscriptions")),
        ("deployments.v2.apps", None),
        ("deployments.batch", None),
        ("selfsubjectreviews", None),
        ("bindings", None),
        ("", None),
        ("pods/log", None),
    ],
)
def test_a_resource_is_found_by_every_name_that_kubectl_takes(text: str, found: tuple[str, str] | None) -> None:
    resource = resolve(REGISTRY, text)
    assert (resource and (resource.group, resource.plural)) == found


@pytest.mark.parametrize(
    ("query", "selected"),
    [
        ({}, ["changes.>"]),
        ({"resource": "*"}, ["changes.>"]),
        ({"namespace": "x"}, ["changes.*.*.x.>"]),
        ({"resource": ["pods", "deploy"]}, ["changes.apps.deployments.>", "changes.core.pods.>"]),
        ({"resource": ["pods", "deploy"], "namespace": "x"}, ["changes.apps.deployments.x.>", "changes.core.pods.x.>"]),
        ({"resource": "pod/web.1", "namespace": "x"}, ["changes.core.pods.x.web%2E1.*"]),
        ({"resource": "pod/web"}, ["changes.core.pods.*.web.*"]),
        ({"resource": ["cm/a", "cm/b", "cm/a"]}, ["changes.core.configmaps.*.a", "changes.core.configmaps.*.b"]),
        # What has no namespace is not left out when one is given.
        ({"resource": ["nodes", "node/a"], "namespace": "x"}, ["changes.core.nodes._.>"]),
        ({"resource": ["*", "nodes"], "namespace": "x"}, ["changes.*.*.x.>", "changes.core.nodes._.>"]),
        ({"resource": ["*", "pods", "po/a"], "namespace": "x"}, ["changes.*.*.x.>"]),
        # Both names of one storage.
        ({"resource": ["events", "events.events.k8s.io"]}, ["changes.core.events.>"]),
    ],
)
def test_filters_select_what_is_named_and_never_overlap(query: dict[str, object], selected: list[str]) -> None:
    assert filters(_read(**query).targets) == selected


def test_a_target_covers_just_what_its_filter_matches() -> None:
    web = Target("", "pods", "x", "web")
    assert Target().covers(web)
    assert Target(namespace="x").covers(web)
    assert web.covers(subjects.Place("", "pods", "x", "web", "node-1"))
    assert not web.covers(subjects.Place("", "pods", "x", "web-1", "node-1"))
    assert not Target(namespace="").covers(web)
    assert not web.covers(Target("", "pods", "x"))


def test_a_stretch_is_read_as_it_is_written() -> None:
    asked = _read(**{"from": 12, "to": 40, "follow": "true", "reactions": "1"})
    assert (asked.first, asked.last, asked.since, asked.follow, asked.reactions) == (12, 40, None, True, True)
    asked = _read(since="10m")
    assert (asked.first, asked.since) == (None, NOW - timedelta(minutes=10))


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("2d", timedelta(days=2)),
        ("2026-05-01T11:00:00Z", timedelta(hours=1)),
        ("2026-05-01T12:30:00+01:00", timedelta(minutes=30)),
        ("2026-05-01T11:59:59.5", timedelta(milliseconds=500)),
        ("2026-05-01", timedelta(hours=12)),
    ],
)
def test_a_time_may_be_a_duration_or_a_date(text: str, ago: timedelta) -> None:
    assert NOW - moment(text, NOW) == ago


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"resource": "poods"}, 'the server doesn\'t have a resource type "poods"'),
        ({"resource": "pod/"}, '"pod/" names no object'),
        ({"resource": "*/web"}, "a name needs a resource"),
        ({"from": "5", "to": "4"}, "`to` is before `from`"),
        ({"from": "-1"}, "from must be a resourceVersion"),
        ({"to": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"from": "5", "since": "1m"}, "at most one of `from` and `since` may be given"),
        ({"since": "soon"}, '"soon" is neither a duration such as 10m nor a time such as 2026-01-31T12:00:00Z'),
        ({"since": "10"}, '"10" is neither a duration such as 10m nor a time such as 2026-01-31T12:00:00Z'),
        ({"since": "99999999999d"}, '"99999999999d" is longer ago than time reaches'),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(query: dict[str, object], told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        _read(**query)
    assert refused.value.message == told
