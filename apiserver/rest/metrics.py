"""Prometheus metrics of the request path, with the names that kube-apiserver's dashboards know.

Each server has a registry of its own, so that several can live in one process.
"""

from __future__ import annotations

import time

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """Counts requests by verb, resource and code. Watches are counted, and timed until they end."""

    content_type = CONTENT_TYPE_LATEST.encode()

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Counter(
            "apiserver_request", "Requests answered", ["verb", "resource", "code"], registry=registry
        )
        self._seconds = Histogram(
            "apiserver_request_duration_seconds",
            "Time to answer",
            ["verb", "resource"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._inflight = Gauge("apiserver_current_inflight_requests", "Requests being answered", registry=registry)

    def start(self) -> float:
        self._inflight.inc()
        return time.perf_counter()

    def finish(self, started: float, *, verb: str, resource: str, code: int) -> None:
        """`resource` must be one that is served, or empty: a client can't make up labels."""
        self._inflight.dec()
        self._requests.labels(verb, resource, str(code)).inc()
        if verb != "watch":
            self._seconds.labels(verb, resource).observe(time.perf_counter() - started)

    def text(self) -> bytes:
        return generate_latest(self._registry)
