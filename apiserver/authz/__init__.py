"""May they: an `Authorizer` answers whether a user may do one thing. Whatever nobody allows is denied."""

from __future__ import annotations

from apiserver.authz.base import Attributes, Authorizer, Decision
from apiserver.authz.static import StaticAuthorizer

__all__ = ["Attributes", "Authorizer", "Decision", "StaticAuthorizer"]
