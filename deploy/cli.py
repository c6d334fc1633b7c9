"""The command `backbeat`. It only reads flags and environment; what a command does is imported when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_care import add_care
from deploy.cli_parts import add_parts
from deploy.cli_past import add_past
from deploy.errors import UserError
from deploy.options import DEFAULT_DATA_DIR, DEFAULT_NODES, DEFAULT_PORT, DEFAULT_TIMEOUT_SECONDS, UpOptions

app = typer.Typer(
    name="backbeat",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A Kubernetes-compatible control plane that you can subscribe to.",
)

DataDirOption = Annotated[
    Path, typer.Option("--data-dir", envvar="BACKBEAT_DATA_DIR", help="Where everything of one control plane lies.")
]


@app.command()
def up(
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="The API server's. 0: a free one, kept for this data-dir while it is free."
        ),
    ] = DEFAULT_PORT,
    nodes: Annotated[int, typer.Option(min=0, max=10_000, help="How many nodes.")] = DEFAULT_NODES,
    api_servers: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="API server processes on the one port, each on a core of its own; for many writers."
        ),
    ] = 1,
    runtime: Annotated[
        str,
        typer.Option(
            metavar="process|sim",
            help="process: containers are real processes of this machine. sim: nothing runs, all nodes in one process.",
        ),
    ] = "process",
    redis: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="BACKBEAT_REDIS_URL",
            help="Your own Redis: rediss://user:password@host:port?ca=FILE. A password is best kept in the variable.",
        ),
    ] = "",
    nats: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="BACKBEAT_NATS_URL",
            help="Your own nats-server with JetStream: tls://host:port?credentials=FILE&ca=FILE.",
        ),
    ] = "",
    nats_listeners_seed_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="BACKBEAT_NATS_LISTENERS_SEED_FILE",
            help="Of your own nats-server: the key of the account that agents and subscribers belong to.",
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return once every node is Ready; all runs on.")] = False,
    timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Give up when not everything is ready by then.")
    ] = DEFAULT_TIMEOUT_SECONDS,
) -> None:
    """Start everything: Redis and NATS (embedded, or yours), API server, controllers, scheduler, kubelets."""
    if runtime not in ("process", "sim"):
        raise typer.BadParameter("want process or sim", param_hint="--runtime")
    from deploy.report import reporter_for

    options = UpOptions(
        data_dir=data_dir,
        port=port,
        nodes=nodes,
        api_servers=api_servers,
        runtime=runtime,
        redis_url=redis,
        nats_url=nats,
        nats_listeners_seed=nats_listeners_seed_file,
        timeout_seconds=timeout,
    )
    reporter = reporter_for(sys.stdout)
    if detach:
        from deploy.detach import up_detached

        raise typer.Exit(up_detached(options, reporter))
    from deploy.launcher import up as run_up

    raise typer.Exit(run_up(options, reporter))


@app.command()
def status(
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json", help="How to show it.")] = "table",
) -> None:
    """Show each process: name, pid, restarts, health. Fails when nothing runs."""
    if output not in ("table", "json"):
        raise typer.BadParameter("want table or json", param_hint="--output")
    from deploy.datadir import DataDir
    from deploy.status import rows, to_json

    state, found = rows(DataDir.at(data_dir))
    if output == "json":
        typer.echo(to_json(state, found))
        return
    from deploy.table import show

    show(state, found)


@app.command()
def down(data_dir: DataDirOption = DEFAULT_DATA_DIR) -> None:
    """Stop everything that runs on a data-dir, containers too. What is stored stays."""
    from deploy.datadir import DataDir
    from deploy.status import down as run_down

    typer.echo(run_down(DataDir.at(data_dir)))


@app.command()
def version() -> None:
    """Show the version."""
    from importlib import metadata

    typer.echo(metadata.version("backbeat"))


add_past(app)
add_care(app)
add_parts(app)


def main() -> None:
    try:
        app()
    except UserError as err:
        typer.echo(f"error: {err}", err=True)
        sys.exit(err.exit_code)


if __name__ == "__main__":
    main()
