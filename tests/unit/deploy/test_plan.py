from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deploy.child import inherited
from deploy.datadir import DataDir
from deploy.parts import PARTS, from_environment
from deploy.plan import Servers, Tier, control_plane, kubelets, node_names

DATA = DataDir(Path("/data"))
SERVERS = Servers(
    "unix:///r?password=hunter1", "nats://apiserver:hunter2@127.0.0.1:1", "nats://agent:hunter3@127.0.0.1:1", 6443
)
SECRETS = ("hunter1", "hunter2", "hunter3")


def _all(nodes: int = 3, runtime: str = "process") -> dict[str, tuple[str, dict[str, object]]]:
    """Each process: its part, and the settings that the part reads out of its environment."""
    specs = control_plane(DATA, SERVERS, id_="abc", supervisor=7)
    specs += kubelets(DATA, SERVERS, names=node_names(nodes), runtime=runtime, supervisor=7)
    return {s.name: (s.command[4], from_environment(s.command[4], s.environment)) for s in specs}


def test_every_part_is_there_and_each_node_has_its_own_kubelet() -> None:
    assert list(_all()) == [
        "apiserver", "scheduler", "controllers", "kubelet-node-1", "kubelet-node-2", "kubelet-node-3",
    ]  # fmt: skip
    assert {part for part, _ in _all().values()} == set(PARTS)


def test_api_servers_have_names_and_health_files_of_their_own_and_share_one_open_port() -> None:
    several = replace(SERVERS, listener=9, api_servers=3)
    serving = [one for one in control_plane(DATA, several, id_="abc", supervisor=7) if one.tier is Tier.API]
    assert [one.name for one in serving] == ["apiserver", "apiserver-2", "apiserver-3"]
    assert len({one.probe.file for one in serving}) == 3
    assert {one.inherits for one in serving} == {(9,)}
    assert {one.environment["BACKBEAT_LISTEN_FD"] for one in serving} == {"9"}


def test_simulated_nodes_share_one_process() -> None:
    assert _all(runtime="sim")["kubelets"][1]["node_names"] == ("node-1", "node-2", "node-3")


def test_only_the_api_server_may_publish_changes() -> None:
    urls = {name: settings["nats_url"] for name, (_, settings) in _all().items()}
    assert urls.pop("apiserver") == SERVERS.nats_url
    assert set(urls.values()) == {SERVERS.agent_nats_url}


def test_no_secret_stands_in_a_command() -> None:
    specs = control_plane(DATA, SERVERS, id_="abc", supervisor=7)
    words = " ".join(word for spec in specs for word in spec.command)
    assert not any(secret in words for secret in SECRETS)
    assert not any(secret in repr(specs) for secret in SECRETS)


def test_who_stands_for_election_has_the_same_identity_in_every_life_and_another_than_its_neighbours() -> None:
    assert _all()["scheduler"][1]["identity"] == "backbeat-abc-scheduler" == _all()["scheduler"][1]["identity"]
    assert _all()["controllers"][1]["identity"] == "backbeat-abc-controllers"


def test_each_agent_has_a_kubeconfig_a_health_file_and_a_folder_of_its_own() -> None:
    settings = [settings for _, settings in _all().values()]
    for field in ("health_file", "kubeconfig", "root_dir"):
        values = [s[field] for s in settings if field in s]
        assert len(values) == len(set(values)) > 0


def test_agents_end_before_what_they_talk_to() -> None:
    assert list(Tier) == [Tier.AGENT, Tier.API, Tier.BUS, Tier.RECORD]
    tiers = {spec.name: spec.tier for spec in control_plane(DATA, SERVERS, id_="abc", supervisor=7)}
    assert tiers == {"apiserver": Tier.API, "scheduler": Tier.AGENT, "controllers": Tier.AGENT}


def test_children_do_not_get_what_was_meant_for_up() -> None:
    given = {"BACKBEAT_PORT": "1", "BACKBEAT_REDIS_URL": "x", "KUBECONFIG": "mine", "HOME": "/h", "PATH": "/bin"}
    got = inherited(given)
    assert {"HOME", "PATH"} == set(got)
    assert got["PATH"].startswith("/bin:")
