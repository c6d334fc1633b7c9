"""`backbeat replay`, `history`, `state`, `trace` and `lag` against a real API server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.apiserver import ApiServer
from tests.integration.commands.command import Running, backbeat, names
from tests.integration.commands.conftest import Commanded
from tests.integration.rest.client import Client, config_map, deployment, path_of, pod
from tests.plane import clean_environment
from tests.servers import Nats, Redis


def _write(api: Client, ns: str, *made: str) -> list[int]:
    """The resourceVersions of ConfigMaps."""
    return [int(api.make(path_of(ns, "configmaps"), config_map(name))["metadata"]["resourceVersion"]) for name in made]


# replay


def test_a_replay_shows_who_did_what_when(kubeconfig: Path, api: Client, ns: str) -> None:
    first, *_, last = _write(api, ns, "a", "b", "c")
    ran = backbeat(kubeconfig, "replay", "--from", str(first), "--to", str(last), "-n", ns, "cm")
    assert (ran.code, ran.err) == (0, "")
    header, *rows = [line.split() for line in ran.out.splitlines()]
    assert header == ["TIME", "RV", "TYPE", "OBJECT", "ACTOR"]
    assert [row[1:] for row in rows] == [
        [str(first + n), "ADDED", f"configmaps/{ns}/{name}", "admin"] for n, name in enumerate("abc")
    ]


def test_a_replay_as_json_is_one_watch_frame_a_line(kubeconfig: Path, api: Client, ns: str) -> None:
    _write(api, ns, "a")
    api.make(path_of(ns, "pods"), pod("p"))
    ran = backbeat(kubeconfig, "replay", "-o", "json", "-n", ns, "cm,pod/p", "--since", "1h")
    assert names([json.loads(line) for line in ran.out.splitlines()]) == [("ADDED", "a"), ("ADDED", "p")]


def test_a_replay_of_nothing_prints_nothing(kubeconfig: Path, ns: str) -> None:
    ran = backbeat(kubeconfig, "replay", "-n", ns, "pods")
    assert (ran.code, ran.out, ran.err) == (0, "", "No changes.\n")


def test_a_replay_keeps_the_pauses_that_it_is_told_to_keep(kubeconfig: Path, api: Client, ns: str) -> None:
    """At a millionth of the speed the second change is days away."""
    _write(api, ns, "a", "b")
    with Running(kubeconfig, "replay", "-n", ns, "cm", "--speed", "0.000001x", "-o", "json") as replaying:
        assert names(replaying.frames(1)) == [("ADDED", "a")]
        assert replaying.interrupt().out == ""
    slower = backbeat(kubeconfig, "replay", "-n", ns, "cm", "--speed", "1000x", "-o", "json")
    assert len(slower.out.splitlines()) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_following_goes_on_until_it_is_ended_and_ends_without_a_word(
    kubeconfig: Path, api: Client, ns: str, number: signal.Signals, code: int
) -> None:
    _write(api, ns, "a")
    with Running(kubeconfig, "replay", "--follow", "-n", ns, "cm", "-o", "json") as following:
        assert names(following.frames(1)) == [("ADDED", "a")]
        _write(api, ns, "b")
        assert names(following.frames(1)) == [("ADDED", "b")]
        ran = following.end(number)
    assert (ran.code, ran.out, ran.err) == (code, "", "")


def test_a_reader_that_has_enough_ends_the_command_quietly(kubeconfig: Path, api: Client, ns: str) -> None:
    for number in range(300):  # more than a pipe holds
        new = config_map(f"c{number}", text="x" * 1000)
        api.make(path_of(ns, "configmaps"), new)
    command = f"{sys.executable} -P -m deploy.cli replay -o json -n {ns} | head -n 1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**clean_environment(), "KUBECONFIG": str(kubeconfig)},
    )
    first, code = ran.stdout.splitlines()
    assert (json.loads(first)["type"], code, ran.stderr) == ("ADDED", "141", "")


def test_following_outlives_a_restart_of_the_api_server(tmp_path: Path, redis_server: Redis, nats_server: Nats) -> None:
    server = ApiServer(tmp_path / "api", redis_url=redis_server.url, nats_url=nats_server.url)
    try:
        server.start()
        api = Client(server.port, server.ssl_context(), server.token)
        with Running(server.kubeconfig(), "replay", "-f", "cm", "-n", "default", "-o", "json") as following:
            _write(api, "default", "a")
            assert names(following.frames(1)) == [("ADDED", "a")]
            server.restart()
            again = api.like()
            _write(again, "default", "b", "c")
            again.close()
            assert names(following.frames(2)) == [("ADDED", "b"), ("ADDED", "c")]
            ran = following.interrupt()
        assert (ran.code, ran.out) == (130, "")
        assert "going on as soon as it is back" in ran.err
        api.close()
    finally:
        server.close()


# history, state, trace


def test_history_shows_each_version_with_its_author_and_difference(kubeconfig: Path, api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "deployments", group="apps"), deployment("web"))
    path = path_of(ns, "deployments", "web", group="apps")
    scaled = api.patch(path, {"spec": {"replicas": 3}}).json
    api.delete(path)
    ran = backbeat(kubeconfig, "history", "deployment/web", "-n", ns)
    assert (ran.code, ran.err) == (0, "")
    heads = [line.split() for line in ran.out.splitlines() if line.startswith("version ")]
    numbers = [obj["metadata"]["resourceVersion"] for obj in (made, scaled)]
    assert [(h[1], h[2], h[4]) for h in heads[:2]] == [
        (numbers[0], "ADDED", "admin"),
        (numbers[1], "MODIFIED", "admin"),
    ]
    assert heads[-1][2] == "DELETED"
    assert "-  replicas: 1\n+  replicas: 3\n" in ran.out
    assert "managedFields" not in ran.out
    told = backbeat(kubeconfig, "history", "deploy/web", "-n", ns, "-o", "json").json
    assert [one["object"] for one in told[:2]] == [made, scaled]
    assert told[1]["diff"][0].startswith("@@ ")


def test_the_state_at_a_number_has_every_form(kubeconfig: Path, api: Client, ns: str) -> None:
    for name in ("a", "b"):
        api.make(path_of(ns, "pods"), pod(name))
    at = str(api.current_rv())
    then = api.get(path_of(ns, "pods", "a")).json
    api.delete(path_of(ns, "pods", "a"), {"gracePeriodSeconds": 0})
    api.make(path_of(ns, "pods"), pod("c"))

    def state(*args: str) -> str:
        ran = backbeat(kubeconfig, "state", "--at", at, "-n", ns, *args)
        assert (ran.code, ran.err) == (0, ""), ran.err
        return ran.out

    table = [line.split() for line in state("pods").splitlines()]
    assert table[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [row[:3] for row in table[1:]] == [["a", "0/1", "Pending"], ["b", "0/1", "Pending"]]
    assert "NODE" in state("pods", "-o", "wide").splitlines()[0]
    assert state("pods", "-o", "name") == "pod/a\npod/b\n"
    assert json.loads(state("pod/a", "-o", "json")) == then
    listed = json.loads(state("pods", "-o", "json"))
    assert (listed["kind"], listed["metadata"]["resourceVersion"], len(listed["items"])) == ("List", at, 2)
    assert state("pod/a", "-o", "yaml").startswith("apiVersion: v1\nkind: Pod\nmetadata:\n")
    both = backbeat(kubeconfig, "state", "--at", at, "-A", "pods,ns").out
    assert [ns, "pod/a", "0/1"] in [line.split()[:3] for line in both.splitlines()]
    assert f"\nnamespace/{ns} " in both


def test_a_trace_tells_causes_reactions_and_listeners(kubeconfig: Path, api: Client, ns: str) -> None:
    api.make("/apis/broker.backbeat.dev/v1/subscriptions", {
        "metadata": {"name": ns}, "spec": {"resources": [{"resource": "configmaps"}], "namespace": ns},
    })  # fmt: skip
    (cause,) = _write(api, ns, "cause")
    heard = "2026-05-01T12:00:00.000250Z"
    because = {"Backbeat-Cause": f"{cause};heard={heard}"}
    made = api.post(path_of(ns, "configmaps"), config_map("a"), headers=because).json
    rv = made["metadata"]["resourceVersion"]
    api.post(path_of(ns, "pods"), pod("reaction"), headers={"Backbeat-Cause": rv})
    (told,) = backbeat(kubeconfig, "trace", "cm/a", "-n", ns, "-o", "json").json
    assert told["cause"] == {
        "resourceVersion": str(cause), "type": "ADDED", "object": f"configmaps/{ns}/cause", "heard": heard,
    }  # fmt: skip
    assert [(r["object"], r["actor"], r["heard"]) for r in told["reactions"]] == [
        (f"pods/{ns}/reaction", "admin", None)
    ]
    assert told["received"] <= told["committed"] <= told["published"]
    assert {"subscription": ns, "acknowledged": False} in told["listeners"]
    text = backbeat(kubeconfig, "trace", "cm/a", "-n", ns).out
    assert text.startswith(
        f"ADDED configmaps/{ns}/a as {rv} by admin, because of ADDED configmaps/{ns}/cause as {cause}\n"
    )
    steps = [line.split()[3] for line in text.splitlines()[1:-2]]
    assert steps[:3] == ["heard", "command", "commit"]
    assert sorted(steps[3:]) == ["published", "reaction"]  # who reacts to the answer may be faster than the relay
    assert f"listeners  {ns} (not yet)" in text


# lag


def test_lag_shows_who_is_how_far(kubeconfig: Path, api: Client, ns: str) -> None:
    api.make("/apis/broker.backbeat.dev/v1/subscriptions", {
        "metadata": {"name": ns}, "spec": {"resources": [{"resource": "configmaps"}], "namespace": ns},
    })  # fmt: skip
    with Running(kubeconfig, "lag", "-w", "-o", "json") as watching:  # a line every second

        def mine() -> dict[str, object]:
            told = json.loads(watching.line())
            return next(one for one in told["subscribers"] if one["name"] == ns)

        while mine()["state"] != "Ready":
            pass
        _write(api, ns, "a", "b")
        while mine()["lag"] != 2:
            pass
        assert watching.interrupt().code == 130
    ran = backbeat(kubeconfig, "lag")
    assert ran.out.splitlines()[0].split("  ")[0] == "NAME"
    (row,) = [line for line in ran.out.splitlines() if line.startswith(f"{ns} ")]
    assert row.split()[1:4] == ["configmaps", "in", ns]
    assert row.split()[-3:] == ["2", "never", "Ready"]


# errors


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("replay", "poods"), 'error: the server doesn\'t have a resource type "poods"\n'),
        (("replay", "--since", "soon"), 'error: "soon" is neither a duration such as 10m nor a time'),
        (("replay", "--speed", "fast"), 'error: --speed: "fast" is no speed such as 10x or 0.5x\n'),
        (("replay", "--from", "5", "--to", "4"), "error: `to` is before `from`\n"),
        (("history", "pods"), 'error: want KIND/NAME, such as deployment/web, not "pods"\n'),
        (
            ("history", "pod/nobody"),
            "error: the stream holds no change of pod/nobody (looked in the namespace default)",
        ),
        (("trace", "pod/nobody"), "error: the stream holds no change of pod/nobody (looked in the namespace default)"),
        (("state", "--at", "3", "poods"), 'error: the server doesn\'t have a resource type "poods"\n'),
        (("state", "--at", "9999999", "pods"), "error: Timeout: Too large resource version: 9999999, current: "),
        (("state", "--at", "3", "pod/a"), 'error: pods "a" not found at resourceVersion 3\n'),
        (("subscribe", "nobody"), 'error: there is no subscription "nobody"; make it with --create RESOURCE…\n'),
    ],
)
def test_what_goes_wrong_is_one_sentence(kubeconfig: Path, args: tuple[str, ...], told: str) -> None:
    ran = backbeat(kubeconfig, *args)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(told)
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("args", [("replay", "pods"), ("history", "pod/a"), ("state", "--at", "3", "pods"), ("lag",)])
def test_who_may_not_see_it_is_told_so(nobody: Path, args: tuple[str, ...]) -> None:
    ran = backbeat(nobody, *args)
    assert (ran.code, ran.out) == (1, "")
    assert 'is forbidden: User "nobody" cannot' in ran.err


def test_a_server_that_is_away_and_a_token_that_is_wrong_are_told(kubeconfig: Path, tmp_path: Path) -> None:
    text = kubeconfig.read_text()
    away, stranger = tmp_path / "away", tmp_path / "stranger"
    port = text.partition("https://127.0.0.1:")[2].split()[0]
    away.write_text(text.replace(f":{port}", ":1"))
    ran = backbeat(away, "replay")
    assert ran.err.startswith("error: cannot reach the API server at https://127.0.0.1:1: ")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    token = text.partition("token: ")[2].split()[0]
    stranger.write_text(text.replace(token, "x" * len(token)))
    ran = backbeat(stranger, "lag")
    assert ran.err == (
        f"error: the API server at https://127.0.0.1:{port} does not accept the credentials of the kubeconfig\n"
    )


def test_a_client_certificate_serves_as_well_as_a_token(
    commanded: Commanded, api: Client, ns: str, tmp_path: Path
) -> None:
    _write(api, ns, "a")
    document = yaml.safe_load(commanded.kubeconfig().read_text())
    pki = commanded.server.pki.directory
    document["users"][0]["user"] = {
        "client-certificate": str(pki / "admin.crt"),
        "client-key": str(pki / "admin.key"),
    }
    document["contexts"][0]["context"]["namespace"] = ns
    certified = tmp_path / "certified"
    certified.write_text(yaml.safe_dump(document))
    assert backbeat(certified, "state", "--at", str(api.current_rv()), "cm", "-o", "name").out == "configmap/a\n"
