"""A pod's volumes as directories."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from agents.kubelet.downward import PodFacts
from agents.kubelet.sources import Sources
from agents.kubelet.volumes import VolumeRefused, Volumes
from apiserver.api.status import not_found
from tests.unit.agents.kubelet.builders import Obj, pod


class Cluster:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Obj] = {}

    async def fetch(self, resource: str, namespace: str, name: str) -> Obj:
        if (resource, name) not in self.objects:
            raise not_found(resource, "", name)
        return self.objects[(resource, name)]

    def config_map(self, name: str, **data: str) -> None:
        self.objects[("configmaps", name)] = {"kind": "ConfigMap", "data": data}

    def secret(self, name: str, **data: str) -> None:
        coded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        self.objects[("secrets", name)] = {"kind": "Secret", "data": coded}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def make(cluster: Cluster, folder: Path, **volume: Any) -> Path:
    facts = PodFacts(
        pod=pod(volumes=[{"name": "v", **volume}], metadata={"labels": {"app": "web"}}),
        node="node-1",
        host_ip="127.64.0.1",
        pod_ip="",
    )
    made = await Volumes(folder, facts=facts, sources=Sources(cluster.fetch, "default", None)).make()
    return Path(made["v"])


async def test_an_empty_dir_is_kept(cluster: Cluster, tmp_path: Path) -> None:
    path = await make(cluster, tmp_path, emptyDir={})
    (path / "file").write_text("x")
    assert await make(cluster, tmp_path, emptyDir={}) == path
    assert (path / "file").read_text() == "x"


async def test_a_config_map_is_a_file_for_each_key(cluster: Cluster, tmp_path: Path) -> None:
    cluster.config_map("m", one="1", two="2")
    path = await make(cluster, tmp_path, configMap={"name": "m"})
    assert {p.name: p.read_text() for p in path.iterdir() if not p.name.startswith("..")} == {"one": "1", "two": "2"}
    assert (path / "one").stat().st_mode & 0o777 == 0o644


async def test_chosen_keys_get_the_paths_and_modes_that_are_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    cluster.config_map("m", one="1", two="2")
    items = [{"key": "one", "path": "sub/dir/file", "mode": 0o400}]
    path = await make(cluster, tmp_path, configMap={"name": "m", "items": items})
    assert (path / "sub/dir/file").read_text() == "1"
    assert (path / "sub/dir/file").stat().st_mode & 0o777 == 0o400
    assert not (path / "two").exists()


async def test_all_keys_change_at_once(cluster: Cluster, tmp_path: Path) -> None:
    cluster.config_map("m", one="1", gone="x")
    path = await make(cluster, tmp_path, configMap={"name": "m"})
    before = (path / "..data").readlink()
    cluster.config_map("m", one="2", new="y")
    await make(cluster, tmp_path, configMap={"name": "m"})
    assert (path / "..data").readlink() != before
    assert {p.name: p.read_text() for p in path.iterdir() if not p.name.startswith("..")} == {"one": "2", "new": "y"}
    assert not (path / before).exists()


async def test_what_did_not_change_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    cluster.config_map("m", one="1")
    path = await make(cluster, tmp_path, configMap={"name": "m"})
    before = (path / "..data").readlink()
    await make(cluster, tmp_path, configMap={"name": "m"})
    assert (path / "..data").readlink() == before


async def test_secrets_are_open_to_their_owner_only(cluster: Cluster, tmp_path: Path) -> None:
    cluster.secret("s", key="hush")
    path = await make(cluster, tmp_path, secret={"secretName": "s"})
    assert (path / "key").read_text() == "hush"
    assert path.stat().st_mode & 0o777 == 0o700


async def test_fields_of_the_pod_are_files(cluster: Cluster, tmp_path: Path) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    path = await make(cluster, tmp_path, downwardAPI={"items": items})
    assert (path / "labels").read_text() == 'app="web"'


async def test_a_projected_volume_holds_several_sources(cluster: Cluster, tmp_path: Path) -> None:
    cluster.config_map("m", one="1")
    cluster.secret("s", key="hush")
    sources = [
        {"configMap": {"name": "m"}},
        {"secret": {"name": "s"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    path = await make(cluster, tmp_path, projected={"sources": sources})
    assert {p.name: p.read_text() for p in path.iterdir() if not p.name.startswith("..")} == {
        "one": "1",
        "key": "hush",
        "name": "web",
    }


async def test_a_host_path_is_itself(cluster: Cluster, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert await make(cluster, tmp_path, hostPath={"path": str(there), "type": "DirectoryOrCreate"}) == there
    assert there.is_dir()
    with pytest.raises(VolumeRefused, match="hostPath type check failed"):
        await make(cluster, tmp_path, hostPath={"path": str(there), "type": "File"})


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "m"}}, 'MountVolume.SetUp failed for volume "v" : configmap "m" not found'),
        ({"secret": {"secretName": "s"}}, 'MountVolume.SetUp failed for volume "v" : secret "s" not found'),
        (
            {"configMap": {"name": "there", "items": [{"key": "x", "path": "x"}]}},
            'MountVolume.SetUp failed for volume "v" : configmap there references non-existent key: x',
        ),
        ({"csi": {}}, 'volume "v": the kubelet of this node cannot provide volumes of type csi'),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}},
         'volume "v": the kubelet of this node cannot project serviceAccountToken'),
    ],
)  # fmt: skip
async def test_what_cannot_be_made_says_why(cluster: Cluster, tmp_path: Path, volume: Obj, message: str) -> None:
    cluster.config_map("there")
    with pytest.raises(VolumeRefused) as refused:
        await make(cluster, tmp_path, **volume)
    assert str(refused.value) == message


async def test_what_is_optional_may_be_missing(cluster: Cluster, tmp_path: Path) -> None:
    path = await make(cluster, tmp_path, configMap={"name": "m", "optional": True})
    assert [p for p in path.iterdir() if not p.name.startswith("..")] == []
