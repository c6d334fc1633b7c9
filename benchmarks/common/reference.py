"""What the real kube-apiserver 1.36 with etcd 3.5 did on a machine of this kind: measured once, earlier, on 2 cores,
with TLS and objects of 700 bytes. It is NOT measured in a run of these benchmarks, and is always shown as such.
"""

from __future__ import annotations

from collections.abc import Mapping

NAME = "kube-apiserver + etcd (measured earlier, same kind of machine)"

KUBERNETES: Mapping[tuple[str, str, str], float] = {
    ("fanout", "HTTP watch, 1000 watchers, burst", "deliveries_per_second"): 112_000,
    ("fanout", "HTTP watch, 1000 watchers, burst", "deliveries_per_cpu_second"): 108_000,
    ("fanout", "HTTP watch, 1000 watchers, burst", "p50_ms"): 1_800,
    ("fanout", "HTTP watch, 1000 watchers, burst", "server_bytes"): 970 * 1024**2,
    ("fanout", "HTTP watch, 100 watchers, 100/s", "p50_ms"): 4.9,
    ("fanout", "HTTP watch, 100 watchers, 100/s", "p99_ms"): 13,
    ("writes", "create ConfigMaps", "requests_per_second"): 1_700,
    ("writes", "create ConfigMaps", "requests_per_cpu_second"): 1_030,
    ("writes", "create Pods", "requests_per_second"): 1_115,
    ("writes", "create Pods", "requests_per_cpu_second"): 650,
    ("reads", "list 2,000", "p50_ms"): 28,
}
"""By benchmark, row and figure."""

NOTE = "Of 100 HTTP watchers and 2,000 changes in a burst, kube-apiserver cut watchers off: 43 % was never delivered."
