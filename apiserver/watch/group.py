"""All watchers of one view: each batch of changes is encoded once into a chunk at the end of a chain.

A watcher holds the chunk that it has written last, and walks on from there when its connection can take more; chunks
that all have passed are freed by themselves. So a slow watcher costs the others nothing, and its own cost is the bytes
between its place and the end of the chain: bounded by `max_lag_bytes`, beyond which it is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apiserver.cache.cache import Applied
from apiserver.watch import frames
from apiserver.watch.view import View


class Chunk:
    """The frames of one batch. `end` counts the bytes of the chain up to and with this one."""

    __slots__ = ("data", "end", "next")

    def __init__(self, data: bytes, end: int) -> None:
        self.data = data
        self.end = end
        self.next: Chunk | None = None


class Member(Protocol):
    """What a group needs of a watcher."""

    @property
    def place(self) -> Chunk | None:
        """What it has written last; None while it does not walk the chain."""
        ...

    def wake(self) -> None: ...

    def cut_off(self) -> None: ...


class Group:
    """See the module's docstring. A chunk is never changed once it has a successor, nor are its bytes."""

    def __init__(self, view: View, *, max_lag_bytes: int) -> None:
        self.view = view
        self.last = Chunk(b"", 0)
        self.members: set[Member] = set()
        self.waiting: set[Member] = set()
        """Members that have written everything. Invariant: their place is `last`."""
        self._max_lag_bytes = max_lag_bytes
        self._next_check = max_lag_bytes

    def publish(self, changes: Sequence[Applied], memo: frames.Memo) -> None:
        view = self.view
        made = [
            frame
            for one in changes
            if (frame := frames.frame(view, one.change, one.table.extract, one.frame, memo)) is not None
        ]
        if not made:
            return
        data = made[0] if len(made) == 1 else b"".join(made)
        self.last.next = Chunk(data, self.last.end + len(data))
        self.last = self.last.next
        waiting, self.waiting = self.waiting, set()
        for member in waiting:
            member.wake()
        if self.last.end >= self._next_check:
            self._check_lag()

    def _check_lag(self) -> None:
        """Looked at once per sixteenth of the bound, so that a burst is not paid for by a look at every member."""
        self._next_check = self.last.end + self._max_lag_bytes // 16
        for member in list(self.members):
            if member.place is not None and self.last.end - member.place.end > self._max_lag_bytes:
                member.cut_off()


def collect(place: Chunk, *, limit_bytes: int) -> tuple[Chunk, bytes]:
    """Everything after `place`, up to about `limit_bytes` and at least one chunk: the new place, and the bytes."""
    following = place.next
    if following is None:
        return place, b""
    if following.next is None:
        return following, following.data
    parts = [following.data]
    size = len(following.data)
    while following.next is not None and size + len(following.next.data) <= limit_bytes:
        following = following.next
        parts.append(following.data)
        size += len(following.data)
    return following, b"".join(parts)
