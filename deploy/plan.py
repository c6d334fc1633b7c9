"""What `backbeat up` starts: each process with its command, its environment, and how to ask whether it is well. Pure.

Our own processes are told everything by BACKBEAT_… variables, the same that `backbeat apiserver --help` lists: so
no token and no password can be read off `ps`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path

from deploy import leash
from deploy.datadir import DataDir
from deploy.health import Probe

RUNTIMES = ("process", "sim")


class Tier(IntEnum):
    """The order of an orderly end: first what gives commands, last what remembers."""

    AGENT = 0
    API = 1
    BUS = 2
    RECORD = 3


@dataclass(frozen=True, slots=True)
class Spec:
    """One process to keep running."""

    name: str
    tier: Tier
    command: tuple[str, ...]
    probe: Probe
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    inherits: tuple[int, ...] = ()
    """Open file descriptors that every life of it gets."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the parts find each other."""

    redis_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    agent_nats_url: str = field(repr=False)
    """Empty: agents ask the API server, which tells them and signs their credentials."""
    port: int
    listener: int = -1
    """The descriptor of the API servers' open port: the supervisor keeps it open, so that clients wait and are not
    refused while an API server that died is started again. All accept from this one socket, so a connection goes to one
    that lives; of sockets of their own (SO_REUSEPORT), a dead one's would take its share of the clients and let them
    wait until it is back."""
    api_servers: int = 1
    listeners_seed: Path | None = None
    """None: the user's own NATS, and credentials for it are the user's business."""


def node_names(count: int) -> tuple[str, ...]:
    return tuple(f"node-{number}" for number in range(1, count + 1))


def api_server_names(count: int) -> tuple[str, ...]:
    return ("apiserver", *(f"apiserver-{number}" for number in range(2, count + 1)))


def program(name: str, tier: Tier, command: Sequence[str], probe: Probe, *, supervisor: int) -> Spec:
    """A server that is not ours, on the leash."""
    leashed = (sys.executable, "-I", "-S", str(Path(leash.__file__)), str(supervisor), *command)
    return Spec(name, tier, leashed, probe)


def control_plane(data: DataDir, servers: Servers, *, id_: str, supervisor: int) -> list[Spec]:
    apiserver = {
        "REDIS_URL": servers.redis_url,
        "NATS_URL": servers.nats_url,
        "PORT": str(servers.port),
        "TLS_CERT_FILE": str(data.pki / "serving.crt"),
        "TLS_PRIVATE_KEY_FILE": str(data.pki / "serving.key"),
        "CLIENT_CA_FILE": str(data.pki / "client-ca.crt"),
        "TOKEN_AUTH_FILE": str(data.tokens),
        "SECRETS_KEY_FILE": str(data.secrets_keys),
    }
    if servers.listeners_seed is not None:
        apiserver["NATS_LISTENERS_SEED_FILE"] = str(servers.listeners_seed)
    inherits: tuple[int, ...] = ()
    if servers.listener >= 0:
        apiserver["LISTEN_FD"] = str(servers.listener)
        inherits = (servers.listener,)
    serving = [
        _part(data, name, "apiserver", Tier.API, apiserver, supervisor=supervisor)
        for name in api_server_names(servers.api_servers)
    ]
    return [
        *(replace(server, inherits=inherits) for server in serving),
        *(
            _part(data, name, name, Tier.AGENT, _candidate(data, servers, name, id_), supervisor=supervisor)
            for name in ("scheduler", "controllers")
        ),
    ]


def kubelets(data: DataDir, servers: Servers, *, names: Sequence[str], runtime: str, supervisor: int) -> list[Spec]:
    """A process for each real node; one for all simulated ones."""
    if runtime == "sim":
        return [_kubelet(data, servers, "kubelets", "sim", names, data.nodes / "sim", supervisor)]
    return [
        _kubelet(data, servers, f"kubelet-{name}", runtime, [name], data.nodes / name, supervisor) for name in names
    ]


def _candidate(data: DataDir, servers: Servers, name: str, id_: str) -> dict[str, str]:
    # NB: the identity is the same for each life of the process, so that the next one holds its lease at once and does
    # not wait until the dead one's has run out. Two never live at the same time: one supervisor, one process each.
    given = {"IDENTITY": f"backbeat-{id_}-{name}", "STATE_DIR": str(data.agents)}
    return {**_agent(data, servers, name), **given}


def _agent(data: DataDir, servers: Servers, name: str) -> dict[str, str]:
    given = {"KUBECONFIG": str(data.kubeconfigs / f"{name}.kubeconfig")}
    return {**given, "NATS_URL": servers.agent_nats_url} if servers.agent_nats_url else given


def _kubelet(
    data: DataDir, servers: Servers, name: str, runtime: str, nodes: Sequence[str], root: Path, supervisor: int
) -> Spec:
    variables = {
        **_agent(data, servers, name),
        "NODE_NAMES": ",".join(nodes),
        "RUNTIME": runtime,
        "ROOT_DIR": str(root),
    }
    return _part(data, name, "kubelet", Tier.AGENT, variables, supervisor=supervisor)


def _part(data: DataDir, name: str, part: str, tier: Tier, variables: Mapping[str, str], *, supervisor: int) -> Spec:
    health = str(data.health / f"{name}.json")
    environment = {f"BACKBEAT_{key}": value for key, value in {**variables, "HEALTH_FILE": health}.items()}
    environment["BACKBEAT_SUPERVISOR"] = str(supervisor)
    # -P: a folder of the user's that is called `broker` must not be taken for ours. The name is for who reads `ps`.
    command = (sys.executable, "-P", "-m", "deploy.part", part, name)
    return Spec(name, tier, command, Probe(file=health), environment)
