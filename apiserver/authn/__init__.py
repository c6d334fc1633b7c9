"""Who is asking: `Authenticator` turns a request's credentials into a `User`."""

from __future__ import annotations

from apiserver.authn.authenticator import Authenticator
from apiserver.authn.user import ANONYMOUS, User

__all__ = ["ANONYMOUS", "Authenticator", "User"]
