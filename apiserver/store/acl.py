"""What the API server may do in Redis: the commands and keys that its work needs, as an ACL user.

With it, whoever gets hold of the password reads and writes this control plane's keys, and nothing else of that Redis:
no other keys, no configuration, no replication, no dump to somewhere else. The user `default` should be off.
"""

from __future__ import annotations

import hashlib

USER = "backbeat"
PROBE = "probe"
"""May ask whether the server serves, and nothing else; any password will do."""

COMMANDS = (
    # the connection itself
    "auth", "ping", "info", "client|id", "client|kill", "client|setname",
    # the record
    "get", "set", "mget", "mset", "incr", "del", "unlink", "rename", "exists",
    "hget", "hmget", "hgetall", "hscan", "hset", "hdel", "hlen", "sadd", "smembers",
    # the outbox
    "xadd", "xlen", "xrange", "xrevrange", "xread", "xtrim",
    # commits, and what must happen in one step
    "eval", "evalsha", "script|load", "multi", "exec",
)  # fmt: skip
"""`client|kill` ends a connection of its own that was lost in the middle of a commit."""


def rules(cluster: str) -> tuple[str, ...]:
    """The words of `ACL SETUSER backbeat on >PASSWORD …` after the password."""
    return ("resetkeys", f"~{{{cluster}}}:*", "resetchannels", "-@all", *(f"+{name}" for name in COMMANDS))


def user_line(password: str, cluster: str) -> str:
    """A line of redis.conf or of an ACL file. It holds the password's digest only."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return " ".join(("user", USER, "on", f"#{digest}", *rules(cluster)))


def probe_line() -> str:
    return f"user {PROBE} on nopass resetkeys resetchannels -@all +auth +ping"
