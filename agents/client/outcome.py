"""What a reconcile came to, and what an error comes to: one type, matched in one place (`runtime`)."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.api import status


@dataclass(frozen=True, slots=True)
class Done:
    """As it should be. The changes that led here are acknowledged."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """As it should be for now; look again after that time. The changes that led here are acknowledged."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Not as it should be; try again with back-off. The changes are not acknowledged until a try succeeds, or until
    too many failed; `outage`: nobody could be asked, which is nobody's try."""

    why: str
    outage: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Trying again cannot help until the object changes. The changes are acknowledged."""

    why: str


Outcome = Done | RetryAfter | GiveUp
Result = Outcome | Failed


def of_error(error: Exception) -> Result:
    """How an exception of a reconcile is treated."""
    match error:
        case status.BadRequest() | status.Invalid() | status.RequestEntityTooLarge() | status.MethodNotAllowed():
            return GiveUp(error.message)
        case status.ServiceUnavailable() | status.TooManyRequests() | status.Timeout() | status.ServerTimeout():
            return Failed(error.message, outage=True)
        case status.StatusError():
            return Failed(error.message)
        case _:
            return Failed(f"{type(error).__name__}: {error}")
