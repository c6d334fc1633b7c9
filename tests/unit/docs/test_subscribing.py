"""What the documents on subscribing show is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from broker import listen, subjects

ROOT = Path(__file__).parents[3]
WIRE = (ROOT / "docs" / "subscribing.md").read_text()
LIBRARY = (ROOT / "docs" / "library.md").read_text()
PLACES = {
    "ConfigMap `settings` in `default`": ("", "configmaps", "default", "settings", None),
    "Node `node-1`": ("", "nodes", "", "node-1", None),
    "Node `ip-10-0-0-1.internal`": ("", "nodes", "", "ip-10-0-0-1.internal", None),
    "Deployment `web` in `shop`": ("apps", "deployments", "shop", "web", None),
    "Ingress `web` in `shop`": ("networking.k8s.io", "ingresses", "shop", "web", None),
    "ClusterRole `system:node`": ("rbac.authorization.k8s.io", "clusterroles", "", "system:node", None),
    "Pod `web-1` in `shop` on `node-1`": ("", "pods", "shop", "web-1", "node-1"),
    "Pod `web-2` in `shop`, not bound yet": ("", "pods", "shop", "web-2", ""),
}


def test_the_subjects_that_are_shown_are_those_of_their_objects() -> None:
    shown = dict(re.findall(r"^\| (.+?) \| `(changes\..+?)` \|$", WIRE, re.MULTILINE))
    assert shown.keys() == PLACES.keys()
    for what, (group, resource, namespace, name, node) in PLACES.items():
        assert shown[what] == subjects.subject_for(group, resource, namespace, name, node=node)
        assert subjects.parse(shown[what]) == subjects.Place(group, resource, namespace, name, node)


@pytest.mark.parametrize("name", ["audit.py", "by_key.py", "snapshot_then_follow.py", "replay.py"])
def test_an_example_is_shown_as_it_runs(name: str) -> None:
    shown = re.findall(rf"```python\n# examples/{re.escape(name)}\n(.*?)```", LIBRARY, re.DOTALL)
    assert shown == [(ROOT / "examples" / name).read_text()]


def test_what_the_library_page_names_can_be_imported() -> None:
    imported = set(re.findall(r"^from broker\.listen import (.+)$", LIBRARY, re.MULTILINE))
    names = {name.strip() for line in imported for name in line.split(",")}
    assert names
    assert names <= set(listen.__all__)
    for error in ("CursorLost", "HistoryReplaced", "ApiRefused", "CredentialsExpired"):
        assert f"`{error}`" in LIBRARY
        assert error in listen.__all__


@pytest.mark.parametrize("name", ["subscription.yaml", "inventory.yaml"])
def test_the_manifests_are_subscriptions(name: str) -> None:
    manifest = yaml.safe_load((ROOT / "examples" / name).read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("broker.backbeat.dev/v1", "Subscription")
    assert manifest["metadata"]["name"] in ("audit-trail", "inventory")


def test_the_client_without_our_code_imports_none_of_it() -> None:
    text = (ROOT / "examples" / "listen.py").read_text()
    assert not re.search(r"^\s*(?:from|import) (?:broker|apiserver|agents|deploy)\b", text, re.MULTILINE)
