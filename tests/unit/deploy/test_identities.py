from __future__ import annotations

import stat
from pathlib import Path

import yaml

from agents.client.config import load
from apiserver.authn.authenticator import parse_token_file
from deploy import identities
from deploy.identities import ADMIN, FLEET, SCHEDULER, ensure_tokens, node
from deploy.kubeconfig import write_kubeconfig


def test_the_api_server_reads_who_the_agents_are(tmp_path: Path) -> None:
    ensure_tokens(tmp_path / "tokens.csv", [ADMIN, SCHEDULER, node("node-1"), FLEET])
    users = {user.name: user.groups for user in parse_token_file((tmp_path / "tokens.csv").read_text()).values()}
    assert "system:masters" in users["admin"]
    assert "system:nodes" in users["system:node:node-1"]
    assert set(users) == {"admin", "system:kube-scheduler", "system:node:node-1", FLEET.user}
    assert not FLEET.user.startswith("system:node:")


def test_tokens_stay_and_only_new_identities_get_one(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    first = ensure_tokens(file, [ADMIN])
    second = ensure_tokens(file, [ADMIN, SCHEDULER])
    assert second["admin"] == first["admin"]
    assert second[SCHEDULER.user] not in ("", first["admin"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_lines_that_the_user_added_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('# mine\nsecret,jane,7,"dev,ops"')
    ensure_tokens(file, [ADMIN])
    assert file.read_text().startswith('# mine\nsecret,jane,7,"dev,ops"\n')
    assert {user.name for user in parse_token_file(file.read_text()).values()} == {"jane", "admin"}


def test_a_token_that_the_user_chose_for_the_admin_is_used(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("chosen,admin,admin,system:masters\n")
    assert ensure_tokens(file, [ADMIN])["admin"] == "chosen"


def test_agents_and_kubectl_read_the_same_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    write_kubeconfig(file, server="https://127.0.0.1:6443", ca_pem=b"PEM", user="admin", token="t0ken")
    config = load(file)
    assert (config.server, config.ca_data, config.token) == ("https://127.0.0.1:6443", b"PEM", "t0ken")
    assert yaml.safe_load(file.read_text())["current-context"] == "backbeat"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_kubeconfig_that_says_the_same_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    write_kubeconfig(file, server="https://a", ca_pem=b"PEM", user="admin", token="t")
    before = file.stat().st_ino
    write_kubeconfig(file, server="https://a", ca_pem=b"PEM", user="admin", token="t")
    assert file.stat().st_ino == before
    write_kubeconfig(file, server="https://b", ca_pem=b"PEM", user="admin", token="t")
    assert load(file).server == "https://b"


def test_every_agent_has_a_name_of_its_own() -> None:
    everybody = [ADMIN, SCHEDULER, identities.CONTROLLERS, FLEET, node("a"), node("b")]
    assert len({one.user for one in everybody}) == len({one.name for one in everybody}) == len(everybody)
