"""What `backbeat up` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from deploy.plan import node_names

DEFAULT_DATA_DIR = Path(".backbeat")
DEFAULT_PORT = 6443
DEFAULT_NODES = 2
DEFAULT_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class UpOptions:
    data_dir: Path = DEFAULT_DATA_DIR
    port: int = DEFAULT_PORT
    """0: the free one that this data-dir had before, or a new one."""
    nodes: int = DEFAULT_NODES
    api_servers: int = 1
    """Processes that accept from the one port side by side."""
    runtime: str = "process"
    redis_url: str = field(default="", repr=False)
    """Empty: the embedded one."""
    nats_url: str = field(default="", repr=False)
    nats_listeners_seed: Path | None = None
    """Of a NATS of the user's: what the API server signs agents' and subscribers' credentials with. None: agents get
    the URL."""
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    @property
    def node_names(self) -> tuple[str, ...]:
        return node_names(self.nodes)

    @property
    def process_nodes(self) -> tuple[str, ...]:
        """The nodes that run real containers."""
        return self.node_names if self.runtime == "process" else ()
