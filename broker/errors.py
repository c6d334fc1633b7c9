"""What the bus can answer, split by what the caller does next.

BusError
├── BusUnavailable          retry with back-off: not connected, no answer in time, JetStream not ready
├── WrongLastSequence       another publisher was first, or the stream lost its tail: look at the stream
├── StreamMissing           create it
├── ConsumerMissing         create it
├── StreamExpired           what was asked for is older than what is kept: take a snapshot
├── NodeUnreachable         nobody serves the requests of this node
└── ApiError                any other refusal of JetStream: a bug or a setting
"""

from __future__ import annotations


class BusError(Exception):
    """Base of what this package raises."""


class BusUnavailable(BusError):
    """The bus did not answer. A publish may or may not have happened."""


class WrongLastSequence(BusError):
    """The stream does not end where the publisher expected. Nothing was stored."""


class StreamMissing(BusError):
    """There is no such stream."""


class ConsumerMissing(BusError):
    """There is no such consumer."""


class StreamExpired(BusError):
    """The changes after the asked sequence are not all kept any more; `first` is the oldest that is."""

    def __init__(self, asked: int, first: int) -> None:
        super().__init__(f"changes after {asked} were asked for, the stream begins at {first}")
        self.asked = asked
        self.first = first


class NodeUnreachable(BusError):
    """No process serves requests for the node."""


class ApiError(BusError):
    """JetStream refused. `code` is HTTP-like, `err_code` is nats-server's own number."""

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(f"{description} ({code}, {err_code})")
        self.code = code
        self.err_code = err_code
        self.description = description


class HistoryReplaced(Exception):
    """The numbers are those of another history now: a backup was restored, or the record was rebuilt. What this process
    remembers of the one before counts no more; it should end, and begin anew. No BusError: trying again is no help."""

    def __init__(self) -> None:
        super().__init__("another history was put in place of the one that this process knows; start again")


_WRONG_LAST = frozenset({10071, 10070})
_NOT_READY = frozenset({10008, 10009, 10039, 10074, 10076, 10118, 10201})


def from_api(error: dict[str, object]) -> BusError:
    """The error object of a JetStream answer as one of ours."""
    code, err_code = int(str(error.get("code", 500))), int(str(error.get("err_code", 0)))
    description = str(error.get("description", ""))
    if err_code in _WRONG_LAST:
        return WrongLastSequence(description)
    if err_code == 10059:
        return StreamMissing(description)
    if err_code == 10014:
        return ConsumerMissing(description)
    if err_code in _NOT_READY or code == 503:
        return BusUnavailable(description)
    return ApiError(code, err_code, description)
