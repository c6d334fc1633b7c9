"""Is what the servers hold what the clients were told?

`verify` compares the whole stream, the record in Redis, the clients' histories and the watchers' frames:

    numbers     the stream's sequences are consecutive, and each message carries its own as resourceVersion
    lives       every object is added, modified, deleted, in that order, and a deletion carries the last state
    recorded    Redis holds the last change of each object, byte for byte, and the outbox what the stream holds
    written     acknowledged: in the stream once, under the number and in the bytes of the answer; refused: not in it;
                unknown: at most once
    ordered, registers, listings   see `tests.faults.order`; linearizable: see `tests.faults.linearizable`
    counted     nobody's addition was overwritten
    watched     every change after where a watcher began, once, in order, in the bytes of the stream
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from tests.faults.changes import Change, Place, Placed, lives_of, placed
from tests.faults.cluster import Cluster, Record
from tests.faults.history import History, Outcome
from tests.faults.linearizable import linearizable
from tests.faults.load import COUNTER
from tests.faults.order import listings, ordered, registers
from tests.faults.watching import Watching

MOST_TOLD = 12


async def verify(
    cluster: Cluster, history: History, *watchings: Watching, timeout_seconds: float = 60.0
) -> Sequence[Change]:
    """Wait until all is in the stream and was seen by the watchers of the Load's objects; then check. The stream."""
    await cluster.settled(timeout_seconds=timeout_seconds)
    changes = await read_changes(cluster)
    last = max(change.number for change in changes if change.ours)
    for watching in watchings:
        await watching.reached(last)
    raise_if(violations(changes, cluster.record(), history, watchings, first=1))
    return changes


def violations(
    changes: Sequence[Change],
    record: Record,
    history: History,
    watchings: Sequence[Watching],
    *,
    first: int,
    before: Mapping[Place, Change] = MappingProxyType({}),
) -> list[str]:
    """`changes` begin with the number `first` and end where the record is; `before`: what was there before them."""
    placings = placed(changes, history)
    return [
        *numbers(changes, first=first),
        *lives(changes, before),
        *recorded(changes, record),
        *written(changes, placings),
        *ordered(placings),
        *registers(changes, placings, history),
        *listings(changes, placings, history, before.values()),
        *linearizable(history),
        *counted(changes),
        *(wrong for watching in watchings for wrong in watched(changes, watching)),
    ]


async def verify_rest(cluster: Cluster, *, first: int) -> Sequence[Change]:
    """Of a stream that had to be begun anew at the number `first`, and is there in full from it on."""
    await cluster.settled()
    changes = await read_changes(cluster)
    raise_if([*numbers(changes, first=first), *recorded(changes, cluster.record())])
    return changes


async def read_changes(cluster: Cluster) -> Sequence[Change]:
    return [Change.of(message) for message in await cluster.messages()]


def raise_if(wrong: Sequence[str]) -> None:
    assert not wrong, f"{len(wrong)} violations, among them:\n" + "\n".join(wrong[:MOST_TOLD])


def numbers(changes: Sequence[Change], *, first: int) -> Iterator[str]:
    for expected, change in enumerate(changes, start=first):
        if change.number != expected:
            yield f"message {change.number} stands where {expected} belongs"
            return
        metadata = change.object["metadata"]
        if metadata["resourceVersion"] != str(change.number):
            yield f"message {change.number} carries resourceVersion {metadata['resourceVersion']}"
        if change.place[1] != f"{metadata.get('namespace', '')}/{metadata['name']}":
            yield f"message {change.number} is on {change.subject} and about {metadata['name']}"


def lives(changes: Sequence[Change], before_all: Mapping[Place, Change] = MappingProxyType({})) -> Iterator[str]:
    for place, later in lives_of(changes).items():
        life = [before_all[place], *later] if place in before_all else later
        if place not in before_all and life[0].type != "ADDED":
            yield f"{place} begins with {life[0].type} {life[0].number}"
        for before, after in pairwise(life):
            if (before.type == "DELETED") != (after.type == "ADDED"):
                yield f"{place}: {after.type} {after.number} follows {before.type} {before.number}"
            elif after.type != "ADDED" and before.object["metadata"]["uid"] != after.object["metadata"]["uid"]:
                yield f"{place}: {after.number} is of another object than {before.number}"
            elif after.type == "DELETED" and before.value != after.value:
                yield f"{place}: the deletion {after.number} does not carry the state of {before.number}"


def recorded(changes: Sequence[Change], record: Record) -> Iterator[str]:
    """Of objects that did not change since the stream begins nothing is known here."""
    first = changes[0].number
    last = {place: life[-1] for place, life in lives_of(changes).items()}
    if record.rv != changes[-1].number:
        yield f"the record is at {record.rv}, the stream ends with {changes[-1].number}"
    for place, change in last.items():
        if record.objects.get(place) != (None if change.type == "DELETED" else (change.number, change.raw)):
            yield f"the record of {place} is not what its last change {change.type} {change.number} made"
    for place, (rv, _) in record.objects.items():
        if place not in last and rv >= first:
            yield f"the record holds {place} at {rv}, of which the stream knows nothing"
    by_number = {change.number: (change.subject, change.body) for change in changes}
    for entry in record.outbox:
        if entry.number >= first and by_number.get(entry.number) != (entry.subject, entry.body):
            yield f"entry {entry.number} of the outbox differs from the message"


def written(changes: Sequence[Change], placings: Sequence[Placed]) -> Iterator[str]:
    by_number = {change.number: change for change in changes}
    for p in placings:
        write = p.write
        if len(p.numbers) > 1 or (p.numbers and write.outcome is Outcome.REFUSED):
            yield str(p)
        elif write.outcome is Outcome.ACKNOWLEDGED:
            if not p.numbers or (write.rv and write.rv != p.numbers[0]):
                yield str(p)
            elif write.answer and by_number[write.rv].raw != write.answer:
                yield f"{p}, in other bytes than the answer"


def counted(changes: Sequence[Change]) -> Iterator[str]:
    counts: dict[str, int] = defaultdict(int)
    for change in changes:
        if change.ours and change.key.endswith(COUNTER):
            before, count = counts[change.key], int(change.object["data"]["n"])
            if count != before + 1:
                yield f"change {change.number} counts {count} after {before}"
            counts[change.key] = count


def watched(changes: Sequence[Change], watching: Watching) -> Iterator[str]:
    if watching.failures:
        yield f"the watch could not go on: {watching.failures}"
    if not watching.frames:
        return
    begin, end = watching.after, min(watching.rv, changes[-1].number)
    seen_by = [change for change in changes if change.subject.startswith(watching.subject)]
    expected = [(change.number, change.body) for change in seen_by if begin < change.number <= end]
    frames = [frame for frame in watching.frames if frame[0] <= end]
    for wanted, seen in zip(expected, frames, strict=False):
        if wanted != seen:
            yield f"a watcher saw {seen[0]} where {wanted[0]} belongs, begun {watching.beginnings} times"
            return
    if len(expected) != len(frames):
        yield f"a watcher saw {len(frames)} changes of {len(expected)}"
