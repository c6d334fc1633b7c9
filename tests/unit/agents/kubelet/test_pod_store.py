"""The last known pods, on disk."""

from __future__ import annotations

from pathlib import Path

from agents.kubelet.pod_store import PodStore
from tests.unit.agents.kubelet.builders import UID, pod


def test_a_saved_pod_is_found_again(tmp_path: Path) -> None:
    PodStore(tmp_path).save(pod(), {"phase": "Running"})
    assert PodStore(tmp_path).load() == [(pod(), {"phase": "Running"})]


def test_the_newest_version_is_kept(tmp_path: Path) -> None:
    store = PodStore(tmp_path)
    store.save(pod(), None)
    store.save(pod(status={"phase": "Running"}), None)
    assert [kept.pod["status"]["phase"] for kept in store.load()] == ["Running"]


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    store = PodStore(tmp_path)
    store.save(pod(), None)
    for name, text in (
        ("torn", "{"),
        ("other", '{"pod": {"metadata": {"uid": "x"}, "spec": {}}, "local": null}'),
        ("list", "[]"),
    ):
        (tmp_path / "pods" / name).mkdir()
        (tmp_path / "pods" / name / "pod.json").write_text(text)
    (tmp_path / "pods" / "empty").mkdir()
    assert store.load() == [(pod(), None)]
    assert sorted(store.known()) == ["empty", "list", "other", "torn", UID]


def test_a_forgotten_pod_leaves_nothing(tmp_path: Path) -> None:
    store = PodStore(tmp_path)
    store.save(pod(), None)
    store.forget(UID)
    store.forget(UID)
    assert list((tmp_path / "pods").iterdir()) == []


def test_others_may_not_read(tmp_path: Path) -> None:
    PodStore(tmp_path).save(pod(), None)
    assert (tmp_path / "pods" / UID / "pod.json").stat().st_mode & 0o777 == 0o600


def test_without_a_folder_nothing_is_kept() -> None:
    store = PodStore(None)
    store.save(pod(), None)
    assert store.load() == []
    assert store.folder(UID) is None
    store.forget(UID)
