"""What a watcher asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apiserver.cache import Matcher
from apiserver.store.base import StoredResource

Encode = Callable[[str, bytes], bytes]
"""(type, object JSON) → the frame, without a newline."""

GroupKey = tuple[StoredResource, str, str | None, str]


@dataclass(frozen=True, slots=True)
class View:
    """What is selected, and how it is written. Views with the same `group_key` show the same bytes."""

    resource: StoredResource
    namespace: str = ""
    match: Matcher | None = None
    form: Encode | None = None
    """None: the frame as it was published."""
    form_key: str = ""

    @property
    def group_key(self) -> GroupKey:
        return (self.resource, self.namespace, self.match.key if self.match else None, self.form_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """The parameters of one watch request."""

    after_rv: int = 0
    """Changes beyond this number are wanted; 0: whatever state the server has, as synthetic ADDED, then changes."""
    send_initial_events: bool | None = None
    """True: ADDED for every object of a state not older than `after_rv`. False: with `after_rv` 0, nothing of the
    state. None: as True where `after_rv` is 0 (upstream: `SetListOptionsDefaults`)."""
    bookmarks: bool = False
    """BOOKMARK frames now and then, and a marked one behind the initial events."""
    timeout_seconds: float | None = None
    """None: the server chooses."""
    kind: str
    """What the frames of this watch hold, for its BOOKMARKs."""
    list_kind: str = ""
    api_version: str

    @property
    def wants_state(self) -> bool:
        if self.send_initial_events is None:
            return self.after_rv == 0
        return self.send_initial_events
