"""`backbeat doctor|repair|backup|restore|secrets`: the flags of the commands that look after a control plane.

Each finds it by --data-dir or by the current kubeconfig; see `deploy.commands.plane`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_past import DataDirOption, OutputOption

PANEL = "Looking after it"

secrets_app = typer.Typer(no_args_is_help=True, help="The keys that Secrets are sealed with.")


def add_care(app: typer.Typer) -> None:
    for command in (doctor, repair, backup, restore):
        app.command(rich_help_panel=PANEL)(command)
    secrets_app.command("rotate")(rotate)
    app.add_typer(secrets_app, name="secrets", rich_help_panel=PANEL)


def _is_json(output: str) -> bool:
    if output not in ("table", "json"):
        raise typer.BadParameter("want table or json", param_hint="--output")
    return output == "json"


def doctor(output: OutputOption = "table", data_dir: DataDirOption = None) -> None:
    """Check that record and stream say the same, and that subscriptions and Secrets are whole. Fails when not."""
    json = _is_json(output)
    from deploy.commands.doctor import doctor as run_doctor
    from deploy.commands.plane import run

    run(data_dir, lambda plane: run_doctor(plane, json=json))


def repair(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="stream|record",
            help="Which side to believe. Else the stream where the record is behind it.",
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it, and do not ask.")] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Also where it says that something is lost.")
    ] = False,
    output: OutputOption = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Make Redis and the stream say the same again. Says first what it would do, and does it with --yes."""
    json = _is_json(output)
    if source not in ("", "stream", "record"):
        raise typer.BadParameter("want stream or record", param_hint="--from")
    from deploy.commands.plane import run
    from deploy.commands.repair import RepairOptions
    from deploy.commands.repair import repair as run_repair

    options = RepairOptions(source=source, yes=yes, accept_loss=accept_loss, json=json)
    run(data_dir, lambda plane: run_repair(plane, options))


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file. Secrets in it stay ciphertext.")],
    without_history: Annotated[
        bool, typer.Option("--without-history", help="The objects alone, without the stream's earlier changes.")
    ] = False,
    output: OutputOption = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Copy everything, as of one resourceVersion, into a file. All goes on meanwhile."""
    json = _is_json(output)
    from deploy.commands.backup import backup as run_backup
    from deploy.commands.plane import run

    run(data_dir, lambda plane: run_backup(plane, file, history=not without_history, json=json))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backbeat backup` made.")],
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace what users have made; leave Secrets unreadable whose key is missing."),
    ] = False,
    output: OutputOption = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Bring a backup back into an empty control plane: its objects, numbers, history and cursors."""
    json = _is_json(output)
    from deploy.commands.plane import run
    from deploy.commands.restore import restore as run_restore

    run(data_dir, lambda plane: run_restore(plane, file, force=force, json=json))


def rotate(
    no_new_key: Annotated[
        bool,
        typer.Option("--no-new-key", help="With the first key that the API server has. So always without --data-dir."),
    ] = False,
    output: OutputOption = "table",
    data_dir: DataDirOption = None,
) -> None:
    """Put a new key in front of the key file of --data-dir, and seal every Secret anew with it."""
    json = _is_json(output)
    from deploy.commands.plane import run
    from deploy.commands.secrets import rotate as run_rotate
    from deploy.datadir import DataDir

    key_file = None if no_new_key or data_dir is None else DataDir.at(data_dir).secrets_keys
    run(data_dir, lambda plane: run_rotate(plane, key_file, json=json))
