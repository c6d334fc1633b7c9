"""The contract of a watch, held against chance: every change once, in order, none left out, across reconnecting at any
point, to any server, with any selection. Histories are random, and the same for the same seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.integration.rest.client import Client, Obj, path_of
from tests.integration.rest.server import Stack

Seen = tuple[str, str, int]
"""(type, name, resourceVersion)."""

OPERATIONS = 150
NAMES = tuple("abcdef")
END = "zz-end"


@dataclass
class History:
    """What was done to a namespace's ConfigMaps, in order: by whom it was asked, the server's answers."""

    steps: list[tuple[str, str, int, dict[str, str] | None]] = field(default_factory=list)
    """(type, name, resourceVersion, labels after; None when it is gone)."""

    def expected(self, label: str) -> list[Seen]:
        """What a watch from before the first step shows; with a label, as the selection sees it."""
        seen: list[Seen] = []
        inside: dict[str, bool] = {}
        for _, name, version, labels in self.steps:
            before = inside.get(name, False)
            after = labels is not None and (not label or labels.get("color") == label)
            inside[name] = after
            if after:
                seen.append(("MODIFIED" if before else "ADDED", name, version))
            elif before:
                seen.append(("DELETED", name, version))
        return seen


def _write(api: Client, path: str, seed: int, history: History) -> None:
    chance = random.Random(seed)
    there: set[str] = set()
    for number in range(OPERATIONS):
        name = chance.choice(NAMES)
        labels = {"color": chance.choice(("red", "green", "blue")), "n": str(number)}
        if name not in there:
            made = api.make(path, {"metadata": {"name": name, "labels": labels}})
            history.steps.append(("ADDED", name, int(made["metadata"]["resourceVersion"]), labels))
            there.add(name)
        elif chance.random() < 0.2:
            assert api.delete(f"{path}/{name}").status == 200
            history.steps.append(("DELETED", name, api.current_rv(), None))
            there.remove(name)
        else:
            changed = api.patch(f"{path}/{name}", {"metadata": {"labels": labels}})
            history.steps.append(("MODIFIED", name, int(changed.rv), labels))
    for color in ("red", "green"):
        end = api.make(path, {"metadata": {"name": f"{END}-{color}", "labels": {"color": color}}})
        history.steps.append(("ADDED", f"{END}-{color}", int(end["metadata"]["resourceVersion"]), {"color": color}))


def _follow(servers: list[Client], path: str, seed: int, after: int, label: str) -> list[Seen]:
    """Watch to the end of the history, going away and coming back elsewhere after a few frames each time."""
    chance = random.Random(seed)
    seen: list[Seen] = []
    query: dict[str, object] = {"labelSelector": f"color={label}"} if label else {}
    last = f"{END}-{label or 'green'}"
    while True:
        bookmarks = chance.random() < 0.5
        with chance.choice(servers).watch(
            path,
            watch=1,
            resourceVersion=after,
            allowWatchBookmarks=str(bookmarks).lower(),
            timeoutSeconds=1,
            **query,
        ) as watch:
            assert watch.status == 200, watch.body()
            for _ in range(chance.randint(1, 12)):
                frame = watch.next()
                if frame is None:
                    break
                after = int(frame["object"]["metadata"]["resourceVersion"])
                if frame["type"] == "BOOKMARK":
                    assert bookmarks
                    continue
                seen.append((frame["type"], frame["object"]["metadata"]["name"], after))
                if seen[-1][1] == last:
                    return seen


@pytest.fixture(scope="module")
def servers(stack: Stack, api: Client) -> Iterator[list[Client]]:
    """Clients of two servers of one control plane; the second has seen nothing of what was before it."""
    server = stack.another_server()
    server.start()
    other = Client(server.port, server.tls, server.token())
    yield [api, other]
    other.close()
    server.stop()


@pytest.mark.parametrize("label", ["", "red", "green"])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_change_is_seen_once_and_in_order_while_it_happens(
    servers: list[Client], ns: str, seed: int, label: str
) -> None:
    api = servers[0]
    path, began, history = path_of(ns, "configmaps"), api.current_rv(), History()
    writer = api.like()
    writing = threading.Thread(target=_write, args=(writer, path, seed, history))
    writing.start()
    seen = _follow(servers, path, seed, began, label)
    writing.join()
    writer.close()
    assert seen == history.expected(label)


@pytest.mark.parametrize("label", ["", "red"])
def test_every_change_is_seen_once_and_in_order_afterwards(servers: list[Client], ns: str, label: str) -> None:
    api = servers[0]
    path, began, history = path_of(ns, "configmaps"), api.current_rv(), History()
    _write(api, path, 7, history)
    for seed in range(4):
        assert _follow(servers, path, seed, began, label) == history.expected(label)


def test_a_list_and_the_watch_behind_it_are_the_whole_state(servers: list[Client], ns: str) -> None:
    """What every informer does, at any moment of a history."""
    api = servers[0]
    path, history = path_of(ns, "configmaps"), History()
    writer = api.like()
    writing = threading.Thread(target=_write, args=(writer, path, 11, history))
    writing.start()
    while writing.is_alive():
        for client in servers:
            listed = client.get(path)
            state = {one["metadata"]["name"]: one for one in listed.json["items"]}
            with client.watch(path, watch=1, resourceVersion=listed.rv, timeoutSeconds=1) as watch:
                for _ in range(10):
                    frame = watch.next()
                    if frame is None:
                        break
                    _apply(state, frame)
                    version = int(frame["object"]["metadata"]["resourceVersion"])
                    exact = api.get(path, resourceVersion=version, resourceVersionMatch="Exact")
                    assert {o["metadata"]["name"]: o for o in exact.json["items"]} == state
    writing.join()
    writer.close()


def _apply(state: dict[str, Obj], frame: Obj) -> None:
    name = frame["object"]["metadata"]["name"]
    if frame["type"] == "DELETED":
        del state[name]
    else:
        assert (frame["type"] == "ADDED") == (name not in state)
        state[name] = frame["object"]
