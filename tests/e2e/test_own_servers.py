"""A whole control plane on a Redis and a NATS of the user's, over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plane import ControlPlane, backbeat, wait_for
from tests.tls import SecureNats, certificates, secure_redis


@pytest.mark.kubectl
@pytest.mark.parametrize("redis", ["door", "own"])
def test_servers_of_the_users_own_over_tls(tmp_path: Path, redis: str) -> None:
    made = certificates(tmp_path / "pki")
    nats = SecureNats(tmp_path / "nats", made)
    nats.start()
    try:
        with secure_redis(redis, tmp_path / "redis", made) as url:
            env = {
                "BACKBEAT_REDIS_URL": url,
                "BACKBEAT_NATS_URL": nats.url,
                "BACKBEAT_NATS_LISTENERS_SEED_FILE": str(nats.seed_file),
            }
            with ControlPlane(tmp_path, nodes=2, runtime="sim", env=env) as plane:
                assert plane.names == ["apiserver", "scheduler", "controllers", "kubelets"]
                plane.kubectl("create", "deployment", "web", "--image=web", "--replicas=2")
                wait_for(
                    lambda: plane.kubectl("get", "pods", "--no-headers").out.count(" Running ") == 2, what="two pods"
                )
                told = plane.kubectl("get", "--raw", "/apis/broker.backbeat.dev/v1/subscriptions").json
                assert len(told["items"]) == 3
                assert all(one["status"]["connected"] for one in told["items"])
    finally:
        nats.close()


def test_servers_over_a_network_in_plain_text_are_refused(tmp_path: Path) -> None:
    for variable, url in (("REDIS", "redis://192.0.2.1:6379"), ("NATS", "nats://192.0.2.1:4222")):
        data = tmp_path / variable
        refused = backbeat("up", f"--data-dir={data}", "--port=0", env={f"BACKBEAT_{variable}_URL": url})
        assert refused.code == 1
        assert "is not encrypted" in refused.out
        assert "BACKBEAT_ALLOW_PLAINTEXT=1" in refused.out
