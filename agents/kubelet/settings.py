"""What a kubelet is told at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from apiserver.api.quantity import canonical

SIM_CPU, SIM_MEMORY, SIM_STORAGE = "32", "256Gi", "1Ti"
"""What a simulated node says it has, unless told otherwise."""


class Heartbeats(BaseModel):
    """How often a node tells that it is alive. Below the node controller's patience of 50 s."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status_seconds: float = Field(default=10.0, gt=0)
    """How often the node's status is computed; it is written when it changed."""
    status_at_least_seconds: float = Field(default=300.0, gt=0)
    """How often it is written although nothing changed."""
    lease_seconds: float = Field(default=10.0, gt=0)
    """How often the lease is renewed."""
    lease_duration_seconds: int = Field(default=40, gt=0)

    @model_validator(mode="after")
    def _lease_outlives_a_lost_renewal(self) -> Heartbeats:
        if self.lease_seconds * 2 > self.lease_duration_seconds:
            raise ValueError("lease_duration_seconds must be at least twice lease_seconds")
        return self


class Capacity(BaseModel):
    """What a node says it has. None: what the machine has, for simulated nodes something generous."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str | None = None
    memory: str | None = None
    ephemeral_storage: str | None = None
    max_pods: int = Field(default=110, gt=0)

    @field_validator("cpu", "memory", "ephemeral_storage")
    @classmethod
    def _is_a_quantity(cls, text: str | None) -> str | None:
        return None if text is None else canonical(text)


class Pressure(BaseModel):
    """Below these a node reports pressure, and the scheduler places nothing new on it. Nothing is evicted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int = 100 * 1024**2
    disk_bytes: int = 256 * 1024**2
    """Upstream asks for 10 % of the disk; developers' disks are fuller than that for months."""
    pids: int = 100


class KubeletSettings(BaseModel):
    """One kubelet process: one real node, or several simulated ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: Path
    nats_url: SecretStr | None = None
    """Only for a NATS of the user's own; otherwise the API server tells where it is and signs the credentials."""
    node_names: tuple[str, ...] = Field(min_length=1)
    runtime: Literal["process", "sim"] = "process"
    root_dir: Path
    """State on disk: pods, their volumes and logs. One kubelet at a time works on it."""
    subscriber: str = ""
    """Name of the durable cursor; empty: `kubelet-<node>`, for a fleet that of its first node and its size."""
    node_labels: dict[str, str] = Field(default_factory=dict)
    health_file: Path | None = None
    heartbeats: Heartbeats = Heartbeats()
    capacity: Capacity = Capacity()
    pressure: Pressure = Pressure()
    workers: int = Field(default=16, gt=0)
    """Pods that are looked at, and statuses that are written, side by side."""
    disk_head_start_seconds: float = Field(default=3.0, ge=0)
    """How long the pods known from the disk wait for the API server's word before they run without it."""
    sim_start_delay_seconds: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _one_real_node(self) -> KubeletSettings:
        if self.runtime == "process" and len(self.node_names) != 1:
            raise ValueError("a kubelet with the runtime `process` serves exactly one node")
        if len(set(self.node_names)) != len(self.node_names):
            raise ValueError("node_names holds a name twice")
        return self
