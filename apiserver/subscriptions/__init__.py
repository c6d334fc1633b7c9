"""Subscriptions: durable watches as API objects, and what the server does for them.

spec          what a Subscription object says, read once
progress      how far its subscriber is, told from the consumer and the stream. Pure
keeper        makes, moves and removes consumers, keeps checkpoints: one server at a time
live          the status as of now, for whoever reads a Subscription
credentials   hands out NATS credentials for one consumer
"""
