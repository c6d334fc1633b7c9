"""What POST subscriptions/NAME/credentials answered: all that a NATS client needs to read one Subscription.

    grant = Grant.of_answer(json.load(file))                                    the answer, as it came
    grant = Grant.of_file(path, servers=["nats://…"], consumer="audit-trail")   a credentials file, and the rest by hand

A grant ends (`expires_at`). Whoever asked with a key of its own asks again for the same key, at `renew_in`; connections
that are open when it ends are closed by nats-server, and no new one is accepted.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.credentials import Credentials
from broker.login import trusting
from broker.nkeys import BadKey, claims_of

LEAST_RENEWAL_SECONDS = 5.0


class BadGrant(ValueError):
    """It does not say what is needed. The message names what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    servers: tuple[str, ...]
    jwt: str
    seed: str
    """The private half of the key that the JWT is for. Keep it secret."""
    consumer: str = ""
    certificate_authority: str = ""
    """The CA of the servers' certificates in PEM; empty: no TLS, or one that the machine trusts."""
    label_selector: Mapping[str, Any] | None = None
    """What the subscriber leaves out itself: see `broker.labels`."""
    snapshot_first: bool = False
    """The Subscription starts from Everything: what exists comes before what changes."""
    asked_at: float = 0.0
    """Seconds since 1970."""

    def __repr__(self) -> str:
        return f"Grant({self.consumer} at {', '.join(self.servers)})"

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any], *, seed: str = "", asked_at: float = 0.0) -> Grant:
        """`seed` belongs to the `spec.publicKey` that was asked for; without one it is in the answer. Raises
        BadGrant."""
        told = answer.get("status") or {}
        try:
            own = seed or Credentials.parse(told["credentials"]).seed
            return cls(
                servers=tuple(told["servers"]),
                jwt=told["jwt"],
                seed=own,
                consumer=told["consumer"],
                certificate_authority=told.get("certificateAuthority", ""),
                label_selector=told.get("labelSelector"),
                snapshot_first=told.get("startFrom") == "Everything",
                asked_at=asked_at,
            )
        except (KeyError, TypeError, BadKey) as err:
            raise BadGrant(f"not the answer of POST subscriptions/NAME/credentials: {err}") from err

    @classmethod
    def of_file(cls, path: Path | str, *, servers: Sequence[str], consumer: str, ca_file: Path | None = None) -> Grant:
        """Raises BadGrant, OSError."""
        try:
            found = Credentials.parse(Path(path).read_text())
        except BadKey as err:
            raise BadGrant(f"{path}: {err}") from err
        authority = ca_file.read_text() if ca_file is not None else ""
        return cls(
            servers=tuple(servers),
            jwt=found.jwt,
            seed=found.seed,
            consumer=consumer,
            certificate_authority=authority,
        )

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.jwt, self.seed)

    @property
    def expires_at(self) -> int:
        """Seconds since 1970; 0: never."""
        return self.credentials.expires_at

    def renew_in(self, now: float) -> float:
        """Seconds until half of the life is over."""
        begun = self.asked_at or claims_of(self.jwt).get("iat", now)
        return max(LEAST_RENEWAL_SECONDS, (begun + self.expires_at) / 2 - now)


class GrantLogin:
    """A `broker.login.Login` with the newest grant."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    async def servers(self) -> Sequence[str]:
        return self.grant.servers

    def credentials(self) -> Credentials:
        return self.grant.credentials

    def tls(self) -> ssl.SSLContext | None:
        return trusting(self.grant.certificate_authority) if self.grant.certificate_authority else None
