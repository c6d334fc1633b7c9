"""Resources by the names that people give them, from a real discovery document."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api import discovery
from apiserver.api.resources import REGISTRY
from apiserver.history.asked import resolve
from deploy.commands.discovery import Catalogue
from deploy.errors import UserError


class Discovery:
    async def read(self, path: str, *, headers: Any) -> Any:
        assert "as=APIGroupDiscoveryList" in headers["Accept"]
        return discovery.aggregated(REGISTRY, path, version="v2")


@pytest.fixture
async def catalogue() -> Catalogue:
    return await Catalogue.ask(Discovery())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["pods", "po", "Pod", "deploy", "deployments.apps", "deployment.v1.apps", "events", "ev.events.k8s.io", "hpa"],
)
def test_the_server_and_the_commands_mean_the_same(catalogue: Catalogue, text: str) -> None:
    here, there = catalogue.find(text), resolve(REGISTRY, text)
    assert there is not None
    assert (here.group, here.version, here.plural, here.namespaced) == (
        there.group, there.version, there.plural, there.namespaced,
    )  # fmt: skip


def test_what_there_is_not_is_said_in_kubectls_words(catalogue: Catalogue) -> None:
    with pytest.raises(UserError, match='the server doesn\'t have a resource type "poods"'):
        catalogue.find("poods")


def test_paths_and_names_are_those_of_the_api(catalogue: Catalogue) -> None:
    pods, deployments, nodes = (catalogue.find(text) for text in ("po", "deploy", "no"))
    assert pods.path("default", "web") == "/api/v1/namespaces/default/pods/web"
    assert deployments.path() == "/apis/apps/v1/deployments"
    assert nodes.path("default") == "/api/v1/nodes"
    assert (pods.shown("web"), deployments.shown("web")) == ("pod/web", "deployment.apps/web")


def test_several_and_categories_are_told_once_each(catalogue: Catalogue) -> None:
    assert [one.plural for one in catalogue.find_all("po,deploy,pods")] == ["pods", "deployments"]
    everything = [one.plural for one in catalogue.find_all("all,pods")]
    assert len(everything) == len(set(everything))
    assert {"pods", "deployments", "services"} <= set(everything)


def test_a_selection_is_what_can_be_listed_and_watched(catalogue: Catalogue) -> None:
    assert [one.plural for one in catalogue.within("", "pods")] == ["pods"]
    apps = {one.plural for one in catalogue.within("apps", "*")}
    assert {"deployments", "replicasets"} <= apps
    assert "pods" not in apps
    everything = catalogue.within("*", "*")
    assert all("watch" in one.verbs for one in everything)
    assert len(everything) > 40
