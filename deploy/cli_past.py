"""`backbeat replay|history|state|trace|lag|subscribe`: the flags of the commands that look at what was and who listens.

Each finds the control plane by --data-dir or by the current kubeconfig; see `deploy.commands.plane`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PANEL = "The past, and who listens"

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="BACKBEAT_DATA_DIR",
        help="Of a control plane on this machine. Else the current kubeconfig says where it is.",
    ),
]
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", metavar="NS", help="Else that of the kubeconfig.")]
OutputOption = Annotated[str, typer.Option("--output", "-o", metavar="table|json", help="How to show it.")]
KindNameArgument = Annotated[str, typer.Argument(metavar="KIND/NAME", help="deployment/web, pod/web-1, …")]


def add_past(app: typer.Typer) -> None:
    for command in (replay, history, state, trace, lag, subscribe):
        app.command(rich_help_panel=PANEL)(command)


def _is_json(output: str) -> bool:
    if output not in ("table", "json"):
        raise typer.BadParameter("want table or json", param_hint="--output")
    return output == "json"


def replay(
    resource: Annotated[
        list[str] | None,
        typer.Argument(metavar="RESOURCE", help="pods, deploy, pod/web-1, … as kubectl takes them. Else all."),
    ] = None,
    from_: Annotated[int | None, typer.Option("--from", min=0, metavar="RV", help="Else the oldest kept.")] = None,
    to: Annotated[int | None, typer.Option("--to", min=0, metavar="RV", help="Both ends are included.")] = None,
    since: Annotated[str, typer.Option(metavar="10m", help="A duration or a time, instead of --from.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", metavar="NS", help="Else all of them.")] = "",
    speed: Annotated[
        str, typer.Option(metavar="10x", help="With the pauses of then, so much shorter. Else as fast as it goes.")
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="table|json", help="json: one watch frame a line.")
    ] = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Read the stream of changes again."""
    json = _is_json(output)
    if since and from_ is not None:
        raise typer.BadParameter("give it or --from, not both", param_hint="--since")
    from deploy.commands.plane import run
    from deploy.commands.replay import ReplayOptions, speed_of
    from deploy.commands.replay import replay as run_replay

    options = ReplayOptions(
        resources=tuple(resource or ()),
        first=from_,
        last=to,
        since=since,
        namespace=namespace,
        speed=speed_of(speed) if speed else None,
        follow=follow,
        json=json,
    )
    run(data_dir, lambda plane: run_replay(plane, options))


def history(
    kind_name: KindNameArgument,
    namespace: NamespaceOption = "",
    output: OutputOption = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Show each version of one object: when, by whom, and what changed."""
    json = _is_json(output)
    from deploy.commands.history import history as run_history
    from deploy.commands.plane import run

    run(data_dir, lambda plane: run_history(plane, kind_name, namespace=namespace, json=json))


def state(
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="pods, pods,deploy, pod/web-1, all, …")],
    at: Annotated[int, typer.Option("--at", min=1, metavar="RV", help="The resourceVersion.")],
    namespace: NamespaceOption = "",
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Those of all namespaces.")] = False,
    selector: Annotated[str, typer.Option("--selector", "-l", metavar="LABELS", help="As they were then.")] = "",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="table|wide|yaml|json|name", help="How to show it.")
    ] = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Show objects as they were at a resourceVersion."""
    if output not in ("table", "wide", "yaml", "json", "name"):
        raise typer.BadParameter("want table, wide, yaml, json or name", param_hint="--output")
    from deploy.commands.plane import run
    from deploy.commands.state import StateOptions
    from deploy.commands.state import state as run_state

    options = StateOptions(
        at=at,
        resource=resource,
        namespace=namespace,
        everywhere=all_namespaces,
        selector=selector,
        form=output,
    )
    run(data_dir, lambda plane: run_state(plane, options))


def trace(
    kind_name: KindNameArgument,
    namespace: NamespaceOption = "",
    output: OutputOption = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Show one object's life: command, commit, published, heard by whom, reactions."""
    json = _is_json(output)
    from deploy.commands.plane import run
    from deploy.commands.trace import trace as run_trace

    run(data_dir, lambda plane: run_trace(plane, kind_name, namespace=namespace, json=json))


def lag(
    watch: Annotated[
        bool | None,
        typer.Option(
            "--watch/--no-watch", "-w", help="Every second. A terminal's table is live unless told not to be."
        ),
    ] = None,
    output: OutputOption = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Show who listens to what, how far each has acknowledged, and how much it has before it."""
    json = _is_json(output)
    from deploy.commands.lag import lag as run_lag
    from deploy.commands.plane import run

    run(data_dir, lambda plane: run_lag(plane, watch=watch, json=json))


def subscribe(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the Subscription.")],
    resource: Annotated[
        list[str] | None, typer.Argument(metavar="RESOURCE", help="With --create: what it selects.")
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the Subscription, unless it is there.")] = False,
    start: Annotated[str, typer.Option(metavar="now|everything|RV", help="Of a new one: where it begins.")] = "now",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NS", help="Of a new one: only what is in it.")
    ] = "",
    selector: Annotated[
        str, typer.Option("--selector", "-l", metavar="LABELS", help="Of a new one: only what has these labels.")
    ] = "",
    begin_anew: Annotated[
        bool, typer.Option("--begin-anew", help="Take a snapshot and go on from there, also where the cursor is lost.")
    ] = False,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="table|json", help="json: one watch frame a line.")
    ] = "table",
    nats: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="BACKBEAT_NATS_URL", help="Where the bus is, if the API server may not hand it out."
        ),
    ] = "",
    data_dir: DataDirOption = None,
) -> None:
    """Tail a Subscription: each change is acknowledged once it is shown, and comes again until it is."""
    json = _is_json(output)
    if bool(resource) != create:
        told = "name the resources it shall select" if create else "resources are for a new one: add --create"
        raise typer.BadParameter(told, param_hint="--create")
    from deploy.commands.plane import run
    from deploy.commands.subscribe import SubscribeOptions
    from deploy.commands.subscribe import subscribe as run_subscribe

    options = SubscribeOptions(
        name=name,
        create=tuple(resource or ()),
        start=start,
        namespace=namespace,
        selector=selector,
        begin_anew=begin_anew,
        json=json,
        nats_url=nats,
    )
    run(data_dir, lambda plane: run_subscribe(plane, options))
