"""`backbeat apiserver|controllers|scheduler|kubelet`: each part alone, from flags and BACKBEAT_… variables.

The settings that somebody who starts a part by hand may need have a flag; each of the others has its variable.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

PANEL = "Parts, each as a process of its own"

NatsOption = Annotated[
    str | None,
    typer.Option(
        "--nats",
        metavar="URL",
        envvar="BACKBEAT_NATS_URL",
        help="nats://host:port?credentials=FILE or nats://user:password@host:port; several are separated by commas. "
        "A password is better in the variable than here.",
    ),
]
AgentNatsOption = Annotated[
    str | None,
    typer.Option(
        "--nats",
        metavar="URL",
        envvar="BACKBEAT_NATS_URL",
        help="Only for a NATS of your own that the API server cannot sign for: by default the API server tells where "
        "NATS is and gives credentials.",
    ),
]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        envvar="BACKBEAT_KUBECONFIG",
        help="Where the API server is and who this process is. `backbeat up` writes one for each in "
        "<data-dir>/kubeconfigs.",
    ),
]
HealthOption = Annotated[
    Path | None,
    typer.Option("--health-file", envvar="BACKBEAT_HEALTH_FILE", help="Written every two seconds: is it ready?"),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        envvar="BACKBEAT_STATE_DIR",
        help="Where what it knows is kept, so that it starts again as soon with many objects as with few.",
    ),
]
IdentityOption = Annotated[
    str | None,
    typer.Option(
        "--identity",
        envvar="BACKBEAT_IDENTITY",
        help="Who it is among those that stand for election; by default a new one at each start. No two may share it.",
    ),
]
ElectOption = Annotated[
    bool | None,
    typer.Option(
        "--leader-elect/--no-leader-elect",
        envvar="BACKBEAT_LEADER_ELECT",
        help="Work only while leading; needed as soon as two of a kind may run. On by default.",
    ),
]


def add_parts(app: typer.Typer) -> None:
    for command in (apiserver, controllers, scheduler, kubelet):
        app.command(rich_help_panel=PANEL)(command)


def _run(name: str, values: dict[str, Any]) -> None:
    from deploy.parts import from_environment, run_part

    given = {setting: value for setting, value in values.items() if value is not None}
    raise typer.Exit(run_part(name, {**from_environment(name, os.environ), **given}, warn=True))


def apiserver(
    redis_url: Annotated[
        str | None,
        typer.Option(
            "--redis",
            metavar="URL",
            envvar="BACKBEAT_REDIS_URL",
            help="unix:///path, redis:// or rediss://. Better in the variable than in the flag, if it has a password.",
        ),
    ] = None,
    nats_url: NatsOption = None,
    nats_listeners_seed_file: Annotated[
        Path | None,
        typer.Option(
            envvar="BACKBEAT_NATS_LISTENERS_SEED_FILE",
            help="The key of the account of subscribers, which their credentials are signed with.",
        ),
    ] = None,
    bind_address: Annotated[str | None, typer.Option(envvar="BACKBEAT_BIND_ADDRESS", help="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(envvar="BACKBEAT_PORT", help="6443; 0 picks a free one.")] = None,
    tls_cert_file: Annotated[
        Path | None, typer.Option(envvar="BACKBEAT_TLS_CERT_FILE", help="Its certificate, PEM.")
    ] = None,
    tls_private_key_file: Annotated[
        Path | None, typer.Option(envvar="BACKBEAT_TLS_PRIVATE_KEY_FILE", help="The key of it, PEM.")
    ] = None,
    client_ca_file: Annotated[
        Path | None, typer.Option(envvar="BACKBEAT_CLIENT_CA_FILE", help="Accept client certificates signed by this.")
    ] = None,
    token_auth_file: Annotated[
        Path | None,
        typer.Option(envvar="BACKBEAT_TOKEN_AUTH_FILE", help='Lines of token,user,uid,"group1,group2".'),
    ] = None,
    secrets_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="BACKBEAT_SECRETS_KEY_FILE", help="What Secrets are encrypted with; made when missing. Keep a copy."
        ),
    ] = None,
    cluster_name: Annotated[
        str | None,
        typer.Option(envvar="BACKBEAT_CLUSTER_NAME", help="Tells control planes apart that share one Redis."),
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(envvar="BACKBEAT_REPLICAS", help="Copies of the stream: 1, or 3 on a NATS cluster.")
    ] = None,
    stream_max_age_seconds: Annotated[
        float | None,
        typer.Option(envvar="BACKBEAT_STREAM_MAX_AGE_SECONDS", help="How far back a watch may resume: 86400."),
    ] = None,
    stream_max_bytes: Annotated[
        int | None, typer.Option(envvar="BACKBEAT_STREAM_MAX_BYTES", help="How large the stream may grow: 10 GiB.")
    ] = None,
    service_cluster_ip_range: Annotated[
        str | None, typer.Option(envvar="BACKBEAT_SERVICE_CLUSTER_IP_RANGE", help="10.96.0.0/16")
    ] = None,
    health_file: HealthOption = None,
) -> None:
    """The API server: HTTPS in front of Redis and NATS."""
    _run("apiserver", dict(locals()))  # the parameters are called as the settings


def controllers(
    kubeconfig: KubeconfigOption = None,
    nats: AgentNatsOption = None,
    identity: IdentityOption = None,
    leader_elect: ElectOption = None,
    health_file: HealthOption = None,
    state_dir: StateOption = None,
) -> None:
    """The controllers: deployments, replica sets, garbage collection, nodes, namespaces."""
    given = {"identity": identity, "leader_elect": leader_elect, "state_dir": state_dir}
    _run("controllers", _agent(kubeconfig, nats, health_file) | given)


def scheduler(
    kubeconfig: KubeconfigOption = None,
    nats: AgentNatsOption = None,
    identity: IdentityOption = None,
    leader_elect: ElectOption = None,
    health_file: HealthOption = None,
    state_dir: StateOption = None,
) -> None:
    """The scheduler: finds a node for each pod."""
    given = {"identity": identity, "leader_elect": leader_elect, "state_dir": state_dir}
    _run("scheduler", _agent(kubeconfig, nats, health_file) | given)


def kubelet(
    node: Annotated[
        list[str] | None,
        typer.Option(envvar="BACKBEAT_NODE_NAMES", help="The node's name; with --runtime sim it may be given often."),
    ] = None,
    root_dir: Annotated[
        Path | None,
        typer.Option(envvar="BACKBEAT_ROOT_DIR", help="Its pods, their volumes and logs. One kubelet at a time."),
    ] = None,
    kubeconfig: KubeconfigOption = None,
    nats: AgentNatsOption = None,
    runtime: Annotated[
        str | None, typer.Option(envvar="BACKBEAT_RUNTIME", metavar="process|sim", help="process")
    ] = None,
    node_label: Annotated[
        list[str] | None, typer.Option(envvar="BACKBEAT_NODE_LABELS", metavar="KEY=VALUE", help="May be given often.")
    ] = None,
    health_file: HealthOption = None,
) -> None:
    """A kubelet: runs the pods of its node."""
    from deploy.parts import labels, names

    given = {
        "node_names": names(node) if node else None,
        "root_dir": root_dir,
        "runtime": runtime,
        "node_labels": labels(node_label) if node_label else None,
    }
    _run("kubelet", _agent(kubeconfig, nats, health_file) | given)


def _agent(kubeconfig: Path | None, nats: str | None, health_file: Path | None) -> dict[str, Any]:
    return {"kubeconfig": kubeconfig, "nats_url": nats, "health_file": health_file}
