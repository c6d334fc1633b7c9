"""The identity that authorization, admission and the record's history see."""

from __future__ import annotations

from dataclasses import dataclass, field

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """`groups` holds `system:authenticated` for everyone but the anonymous user."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict, hash=False, compare=False)

    def to_user_info(self) -> dict[str, object]:
        """`authentication.k8s.io/v1` UserInfo."""
        info: dict[str, object] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = self.extra
        return info


def known(name: str, *, uid: str = "", groups: tuple[str, ...] = ()) -> User:
    """A user who proved who it is."""
    return User(name, uid, tuple(dict.fromkeys((*groups, AUTHENTICATED))))


ANONYMOUS = User("system:anonymous", "", (UNAUTHENTICATED,))
