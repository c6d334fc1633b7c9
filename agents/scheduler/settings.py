"""What the scheduler is told at its start."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class SchedulerSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: Path
    nats_url: SecretStr | None = None
    """Only for a NATS of the user's own; otherwise the API server tells where it is and signs the credentials."""
    identity: str = "scheduler"
    """Distinguishes the schedulers that stand for election."""
    subscriber: str = "scheduler"
    """The durable cursor. One process reads it at a time: two schedulers that do not stand for election need two."""
    leader_elect: bool = True
    health_file: Path | None = None
    state_dir: Path | None = None
    """Where what is known is kept for the next life of this process, which then need not ask the API server for all of
    it. One process at a time has it. None: each start asks."""
    bindings: int = Field(default=48, ge=1)
    """Commands under way at once. Below the client's 64 connections, so that the lease is never left waiting."""
    initial_backoff_seconds: float = Field(default=1.0, gt=0)
    max_backoff_seconds: float = Field(default=10.0, gt=0)
    """A pod that was refused n times waits initial * 2^(n-1), at most this long, before it is tried again."""
    parked_seconds: float = Field(default=300.0, gt=0)
    """How long a pod is parked at most when nothing happens that might help it."""
