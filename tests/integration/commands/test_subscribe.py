"""`backbeat subscribe`: not one change missed, and none twice after its acknowledgement."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.integration.commands.command import Running, backbeat, names
from tests.integration.commands.conftest import Commanded
from tests.integration.history.past import told_by
from tests.integration.rest.client import Client, config_map, path_of, pod
from tests.servers import Nats

SUBSCRIPTIONS = "/apis/broker.backbeat.dev/v1/subscriptions"


def _make(api: Client, ns: str, *made: str, **labels: str) -> None:
    for name in made:
        new = config_map(name)
        new["metadata"]["labels"] = labels
        api.make(path_of(ns, "configmaps"), new)


def _added(*made: str) -> list[tuple[str, str]]:
    return [("ADDED", name) for name in made]


def _tail(kubeconfig: Path, ns: str, *args: str) -> Running:
    """A new Subscription of the namespace's name to its ConfigMaps, or the one that is there."""
    return Running(kubeconfig, "subscribe", ns, "--create", "cm", "-n", ns, "-o", "json", *args)


def _acknowledged(api: Client, ns: str) -> int:
    return int(api.get(f"{SUBSCRIPTIONS}/{ns}").json["status"].get("acknowledged") or 0)


async def test_whoever_comes_back_goes_on_where_they_were(kubeconfig: Path, api: Client, ns: str) -> None:
    _make(api, ns, "before")
    with _tail(kubeconfig, ns, "--start", str(api.current_rv())) as tailing:
        _make(api, ns, "a", "b")
        assert names(tailing.frames(2)) == _added("a", "b")
        ran = tailing.interrupt()
    assert (ran.code, ran.out, ran.err) == (130, "", "")
    _make(api, ns, "c", "d")
    with Running(kubeconfig, "subscribe", ns, "-o", "json") as tailing:
        assert names(tailing.frames(2)) == _added("c", "d")
        _make(api, ns, "e")
        assert names(tailing.frames(1)) == _added("e")
        assert tailing.end(signal.SIGTERM).code == 143
    await eventually(lambda: _lag(api, ns) == 0, what="the last acknowledgement")  # the broker may still be at it


async def test_one_that_is_killed_misses_nothing_and_repeats_only_what_was_not_acknowledged(
    kubeconfig: Path, api: Client, ns: str
) -> None:
    """Nobody reads what it prints, so it stands in the middle of a line when it is killed."""
    with _tail(kubeconfig, ns, "--start", str(api.current_rv())) as tailing:
        for number in range(60):
            api.make(path_of(ns, "configmaps"), config_map(f"c{number:02}", text="x" * 5000))
        await eventually(lambda: 0 < _lag(api, ns) < 60, what="some are acknowledged", timeout_seconds=60)
        await eventually(lambda: _rests(api, ns), what="it prints no more", timeout_seconds=60)
        rest = tailing.end(signal.SIGKILL).out
    shown = [json.loads(line)["object"]["metadata"]["name"] for line in rest.splitlines() if line.endswith("}}")]
    with _tail(kubeconfig, ns) as tailing:
        again = [frame["object"]["metadata"]["name"] for frame in tailing.frames(_lag(api, ns))]
        assert tailing.interrupt().out == ""
    assert again[0] <= f"c{len(shown):02}"  # none missed
    assert len(set(shown) & set(again)) <= 1  # acknowledged none twice
    assert [*dict.fromkeys([*shown, *again])] == [f"c{number:02}" for number in range(60)]


def _lag(api: Client, ns: str) -> int:
    """0 while there is no such subscription."""
    found = api.get(f"{SUBSCRIPTIONS}/{ns}")
    return int(found.json["status"].get("lag") or 0) if found.status == 200 else 0


def _rests(api: Client, ns: str) -> bool:
    """It does not get on any more."""
    before = _lag(api, ns)
    time.sleep(1)
    return _lag(api, ns) == before


async def test_everything_begins_with_what_there_is_and_only_once(kubeconfig: Path, api: Client, ns: str) -> None:
    _make(api, ns, "a", "gone", "b")
    api.delete(path_of(ns, "configmaps", "gone"))
    api.make(path_of(ns, "pods"), pod("p"))
    args = ("subscribe", ns, "--create", "cm,pods", "-n", ns, "--start", "everything", "-o", "json")
    with Running(kubeconfig, *args) as tailing:
        first = tailing.frames(3)
        assert names(first) == _added("a", "b", "p")
        assert first[0]["object"] == api.get(path_of(ns, "configmaps", "a")).json
        begun = api.current_rv()
        await eventually(lambda: _acknowledged(api, ns) >= begun, what="the cursor is there", timeout_seconds=60)
        tailing.interrupt()
    with Running(kubeconfig, *args) as tailing:  # nothing happened meanwhile
        _make(api, ns, "c")
        assert names(tailing.frames(1)) == _added("c")
        assert tailing.interrupt().out == ""


async def test_a_snapshot_that_was_not_shown_to_its_end_is_shown_again(kubeconfig: Path, api: Client, ns: str) -> None:
    """Its reader goes away in the middle: more than a pipe holds is still to come."""
    for number in range(150):
        api.make(path_of(ns, "configmaps"), config_map(f"c{number:03}", text="x" * 1000))
    with _tail(kubeconfig, ns, "--start", "everything") as tailing:
        assert names(tailing.frames(1)) == _added("c000")
        tailing.end(signal.SIGKILL)
    with _tail(kubeconfig, ns) as tailing:
        assert names(tailing.frames(150)) == _added(*(f"c{number:03}" for number in range(150)))
        tailing.interrupt()


async def test_labels_are_selected_for_the_subscriber(kubeconfig: Path, api: Client, ns: str) -> None:
    _make(api, ns, "old", app="web")
    _make(api, ns, "other", app="db")
    with _tail(kubeconfig, ns, "-l", "app in (web)", "--start", "everything") as tailing:
        assert names(tailing.frames(1)) == _added("old")
        _make(api, ns, "x", app="db")
        _make(api, ns, "y", app="web")
        assert names(tailing.frames(1)) == _added("y")
        _make(api, ns, "z", app="db")
        reached = api.current_rv()
        # What is not shown is done all the same.
        await eventually(lambda: _acknowledged(api, ns) >= reached, what="all acknowledged", timeout_seconds=60)
        assert tailing.interrupt().out == ""


async def test_a_table_shows_the_changes_as_a_replay_does(kubeconfig: Path, api: Client, ns: str) -> None:
    with Running(kubeconfig, "subscribe", ns, "--create", "cm/a", "--start", str(api.current_rv())) as tailing:
        _make(api, ns, "b", "a")
        rv = api.get(path_of(ns, "configmaps", "a")).rv
        header, row = (line.split() for line in tailing.lines(2))
        assert header == ["TIME", "RV", "TYPE", "OBJECT", "ACTOR"]
        assert row[1:] == [rv, "ADDED", f"configmaps/{ns}/a", "admin"]


def test_a_subscription_that_selects_something_else_is_left_alone(kubeconfig: Path, api: Client, ns: str) -> None:
    api.make(SUBSCRIPTIONS, {"metadata": {"name": ns}, "spec": {"resources": [{"resource": "pods"}]}})
    ran = backbeat(kubeconfig, "subscribe", ns, "--create", "cm")
    assert (ran.code, ran.out) == (1, "")
    told = f'error: the subscription "{ns}" is there, and listens to pods; leave --create away, or take another name\n'
    assert ran.err == told
    assert api.get(f"{SUBSCRIPTIONS}/{ns}").json["spec"]["resources"] == [{"resource": "pods"}]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("subscribe", "x", "pods"), "resources are for a new one: add --create"),
        (("subscribe", "x", "--create"), "name the resources it shall select"),
    ],
)
def test_resources_and_create_belong_together(kubeconfig: Path, args: tuple[str, ...], told: str) -> None:
    ran = backbeat(kubeconfig, *args)
    assert (ran.code, ran.out) == (2, "")
    assert told in " ".join(ran.err.replace("│", " ").split())


def test_who_may_not_watch_it_cannot_subscribe_to_it(nobody: Path, ns: str) -> None:
    ran = backbeat(nobody, "subscribe", ns, "--create", "cm", "-n", ns)
    assert (ran.code, ran.out) == (1, "")
    assert 'User "nobody" cannot create resource "subscriptions"' in ran.err


def test_one_that_is_removed_while_it_is_read_is_told_so(kubeconfig: Path, api: Client, ns: str) -> None:
    with _tail(kubeconfig, ns, "--start", str(api.current_rv())) as tailing:
        _make(api, ns, "a")
        tailing.frames(1)
        api.delete(f"{SUBSCRIPTIONS}/{ns}")
        ran = tailing.wait()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert f'there is no subscription "{ns}"' in ran.err


async def test_one_that_retention_has_passed_says_so_and_begins_anew_when_asked_to(tmp_path: Path) -> None:
    stack = Commanded(tmp_path, stream_max_bytes=60_000)
    stack.start()
    try:
        api, kubeconfig = told_by(stack.server), stack.kubeconfig()
        args = ("subscribe", "audit", "--create", "cm", "-n", "default", "-o", "json")
        start = str(api.current_rv())
        with Running(kubeconfig, *args, "--start", start) as tailing:
            _make(api, "default", "a")
            tailing.frames(1)
            tailing.interrupt()
        path = path_of("default", "configmaps", "a")

        def passed() -> bool:
            api.patch(path, {"data": {"text": "y" * 8000 + str(api.current_rv())}})
            conditions = api.get(f"{SUBSCRIPTIONS}/audit").json["status"].get("conditions") or []
            return any(c["type"] == "Expired" and c["status"] == "True" for c in conditions)

        await eventually(passed, what="the cursor is passed", timeout_seconds=60)
        ran = backbeat(kubeconfig, *args)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith('error: "audit" is expired: changes behind its cursor are no longer kept.')
        with Running(kubeconfig, *args, "--begin-anew") as tailing:
            assert names(tailing.frames(1)) == _added("a")
            _make(api, "default", "b")
            assert names(tailing.frames(1)) == _added("b")
            tailing.interrupt()
        api.close()
    finally:
        stack.close()


def test_the_bus_that_a_user_names_is_used(kubeconfig: Path, bus: Nats, api: Client, ns: str) -> None:
    with _tail(kubeconfig, ns, "--start", str(api.current_rv()), "--nats", bus.url) as tailing:
        _make(api, ns, "a")
        assert names(tailing.frames(1)) == _added("a")
        assert tailing.interrupt().code == 130


def test_secrets_come_as_they_are_on_the_bus(kubeconfig: Path, api: Client, ns: str) -> None:
    args = ("subscribe", ns, "--create", "secrets", "-n", ns, "--start", str(api.current_rv()), "-o", "json")
    with Running(kubeconfig, *args) as tailing:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "aHVzaC1odXNo"}}
        api.make(path_of(ns, "secrets"), secret)
        (frame,) = tailing.frames(1)
        assert frame["object"]["metadata"]["name"] == "s"
        assert "aHVzaC1odXNo" not in json.dumps(frame)
