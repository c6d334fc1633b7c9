"""Tail the Subscription `audit-trail` with a NATS client alone; one in any language can do the same.

    pip install "nats-py[nkeys]"
    kubectl apply -f examples/subscription.yaml
    python examples/listen.py

Stop it, kill it, come back tomorrow: no change is missed, and none comes again after its acknowledgement.
"""

import asyncio
import contextlib
import json
import subprocess

import nats
from nats.aio.client import RawCredentials

ASK = ["kubectl", "create", "-f", "-", "--raw", "/apis/broker.backbeat.dev/v1/subscriptions/audit-trail/credentials"]
ASKED = '{"kind": "SubscriptionCredentials", "apiVersion": "broker.backbeat.dev/v1"}'  # for an hour


async def attach(bus, stream, consumer):
    """What was handed out and not acknowledged is handed out again, counted from 1. Is it all still there?"""
    cursor = json.loads((await bus.request(f"$JS.API.CONSUMER.RESET.{stream}.{consumer}")).data)["ack_floor"]
    if json.loads((await bus.request("stream.state")).data)["first"] > cursor["stream_seq"] + 1:
        raise SystemExit("changes were missed: the stream no longer holds them")
    return await bus.jetstream().pull_subscribe_bind(consumer, stream)


async def listen(servers, credentials, inboxPrefix, stream, consumer, **_):  # noqa: N803
    bus = await nats.connect(servers, user_credentials=RawCredentials(credentials), inbox_prefix=inboxPrefix)
    changes, taken = await attach(bus, stream, consumer), 0
    while True:
        with contextlib.suppress(nats.errors.TimeoutError):  # nothing changed for a while
            for change in await changes.fetch(100, timeout=10):
                taken += 1
                if change.metadata.sequence.consumer != taken:  # some were lost on their way, with a connection
                    changes, taken = await attach(bus, stream, consumer), 0
                    break
                print(change.metadata.sequence.stream, json.loads(change.data)["type"], change.subject, flush=True)
                await change.ack_sync()  # from here on neither this change nor one before it comes again


answer = subprocess.run(ASK, input=ASKED, stdout=subprocess.PIPE, text=True, check=True)
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(listen(**json.loads(answer.stdout)["status"]))
