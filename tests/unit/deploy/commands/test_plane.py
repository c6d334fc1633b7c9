"""Finding the control plane, and how a command ends."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import typer

from agents.client.config import ApiConfig
from agents.client.transport import NotDone
from apiserver.api.status import Expired, Forbidden, NotFound, Unauthorized
from broker.errors import BusUnavailable
from deploy.commands import plane
from deploy.commands.plane import Plane, find, in_words, run
from deploy.errors import UserError
from deploy.kubeconfig import write_kubeconfig

CONFIG = ApiConfig(server="https://there:6443")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own is found."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plane, "configure_logs", lambda level: None)


def _write(path: Path, server: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_kubeconfig(path, server=server, ca_pem=b"", user="u", token="t")
    return path


def test_the_data_dir_comes_first_then_the_variable_then_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / ".backbeat" / "kubeconfig", "https://beside")
    assert find(None).server == "https://beside"
    _write(tmp_path / "home" / ".kube" / "config", "https://home")
    assert find(None).server == "https://home"
    named = _write(tmp_path / "named", "https://named")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", str(tmp_path / "absent"), str(named)]))
    assert find(None).server == "https://named"
    _write(tmp_path / "data" / "kubeconfig", "https://data")
    assert find(tmp_path / "data").server == "https://data"


def test_what_cannot_be_found_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="which control plane"):
        find(None)
    with pytest.raises(UserError, match=r"there is no control plane in .*/absent"):
        find(tmp_path / "absent")
    monkeypatch.setenv("KUBECONFIG", "/nothing/here")
    with pytest.raises(UserError, match="KUBECONFIG names no file: /nothing/here"):
        find(None)
    (tmp_path / "bad").write_text("[]")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "bad"))
    with pytest.raises(UserError, match="not a kubeconfig"):
        find(None)


def test_a_namespace_is_the_given_one_or_the_contexts_or_default() -> None:
    other = ApiConfig(server="x", namespace="team")
    assert [Plane(config, None).namespace(given) for config, given in  # type: ignore[arg-type]
            ((CONFIG, ""), (other, ""), (other, "mine"))] == ["default", "team", "mine"]  # fmt: skip


def _lost() -> NotDone:
    err = NotDone("the API server is not reachable: long words of a library")
    err.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return err


@pytest.mark.parametrize(
    ("err", "words"),
    [
        (_lost(), "cannot reach the API server at https://there:6443: Connection refused"),
        (Unauthorized("Unauthorized"), "the API server at https://there:6443 does not accept the credentials"),
        (Expired("too old resource version: 1 (2)"), "too old resource version: 1 (2): it is longer ago than"),
        (NotFound("404 page not found"), "https://there:6443 does not know this request; is it a backbeat?"),
        (NotFound('pods "x" not found', name="x"), 'pods "x" not found'),
        (Forbidden("pods is forbidden"), "pods is forbidden"),
    ],
)
def test_errors_are_told_in_words(err: NotDone, words: str) -> None:
    assert in_words(err, CONFIG).startswith(words)


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt(), 130), (asyncio.CancelledError(), 143)],
)
def test_an_interrupted_command_says_so_in_its_code(tmp_path: Path, raised: BaseException, code: int) -> None:
    _write(tmp_path / "kubeconfig", "http://there")

    async def main(_: Plane) -> None:
        raise raised

    with pytest.raises(typer.Exit) as ended:
        run(tmp_path, main)
    assert ended.value.exit_code == code


@pytest.mark.parametrize("raised", [Forbidden("no"), BusUnavailable("no"), UserError("no")])
def test_what_a_user_can_be_told_is_never_a_traceback(tmp_path: Path, raised: Exception) -> None:
    _write(tmp_path / "kubeconfig", "http://there")

    async def main(_: Plane) -> None:
        raise raised

    with pytest.raises(UserError, match="no"):
        run(tmp_path, main)


def test_certificates_that_are_none_are_told_of(tmp_path: Path) -> None:
    write_kubeconfig(tmp_path / "kubeconfig", server="https://there", ca_pem=b"not a CA", user="u", token="t")

    async def main(_: Plane) -> None:
        raise AssertionError

    with pytest.raises(UserError, match="the certificates of the kubeconfig cannot be used"):
        run(tmp_path, main)
