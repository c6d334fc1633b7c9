"""Where an agent finds the API server, and as whom it speaks: its kubeconfig. See `broker.kubeconfig`."""

from __future__ import annotations

from broker.kubeconfig import ApiConfig, BadKubeconfig, load

__all__ = ["ApiConfig", "BadKubeconfig", "load"]
