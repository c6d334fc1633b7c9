"""One thread that serves many connections: whoever has something to read is called, and the time is told."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from benchmarks.clients.control import Control, Line
from benchmarks.clients.link import READ_BYTES, Closed, Link

TELL_SECONDS = 0.2


class Member(Protocol):
    """One connection and what is done with it."""

    @property
    def link(self) -> Link: ...

    def on_readable(self, buffer: memoryview) -> None:
        """Take everything that is there, over `buffer`. Raises Closed."""
        ...


class Station:
    """`attend` until told to do something else. `closed` counts the connections that the servers ended."""

    def __init__(self, control: Control, members: Sequence[Member]) -> None:
        self._control = control
        self._members = {member.link.fileno(): member for member in members}
        self._writing: set[int] = set()
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._poll = select.epoll()
        self._poll.register(control.fileno(), select.EPOLLIN)
        for fd, member in self._members.items():
            member.link.go()
            self._poll.register(fd, select.EPOLLIN)
        self._tell_at = 0.0
        self.closed = 0

    def attend(self, count: Callable[[], int], *, on_turn: Callable[[], float] = lambda: TELL_SECONDS) -> Line:
        """Returns what the other side says next. `on_turn` is called often and says in how many seconds it wants to be
        called again at the latest. Raises Ended."""
        while True:
            for fd, event in self._poll.poll(max(0.0, min(TELL_SECONDS, on_turn()))):
                if fd == self._control.fileno():
                    return self._control.hear()
                self._serve(fd, event)
            self._tell(count)

    def _serve(self, fd: int, event: int) -> None:
        member = self._members[fd]
        try:
            if event & select.EPOLLOUT:
                member.link.flush()
            if event & ~select.EPOLLOUT:
                member.on_readable(self._buffer)
        except Closed:
            self._drop(fd)
            return
        self.note_writing(member.link)

    def note_writing(self, link: Link) -> None:
        """Be called when the rest of what was sent can go out. For who sends outside of `on_readable`."""
        fd = link.fileno()
        if link.want_write != (fd in self._writing):
            self._writing ^= {fd}
            self._poll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if link.want_write else 0))

    def _drop(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._members.pop(fd).link.close()
        self.closed += 1

    def _tell(self, count: Callable[[], int]) -> None:
        now = time.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + TELL_SECONDS
            self._control.tell(count=count())
