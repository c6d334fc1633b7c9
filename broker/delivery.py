"""What JetStream says about a delivery, read off the message's reply subject, and its notices."""

from __future__ import annotations

from dataclasses import dataclass

from broker.change import Change
from broker.connection import Message


@dataclass(frozen=True, slots=True)
class Delivery:
    """`$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`."""

    deliveries: int
    stream_sequence: int
    consumer_sequence: int
    stored_ns: int
    pending: int


class NotADelivery(ValueError):
    """The reply subject is not one of JetStream's."""


def read(reply: str) -> Delivery:
    """Both forms: with 9 tokens, and with domain and account hash before the stream's name (11 or more)."""
    tokens = reply.split(".")
    if len(tokens) == 9 and reply.startswith("$JS.ACK."):
        deliveries, stream, consumer, stored, pending = tokens[4:9]
    elif len(tokens) >= 11 and reply.startswith("$JS.ACK."):
        deliveries, stream, consumer, stored, pending = tokens[6:11]
    else:
        raise NotADelivery(reply)
    return Delivery(int(deliveries), int(stream), int(consumer), int(stored), int(pending))


def change_of(message: Message, delivery: Delivery) -> Change:
    return Change(
        rv=delivery.stream_sequence,
        subject=message.subject,
        body=message.data,
        headers=message.headers,
        deliveries=delivery.deliveries,
        pending=delivery.pending,
        stored_ns=delivery.stored_ns,
    )
