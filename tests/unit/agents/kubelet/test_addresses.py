"""Addresses of pods: each node its own range, each pod its own address."""

from __future__ import annotations

import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from agents.kubelet.addresses import POOL, AddressesExhausted, AddressPool, claim_range

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is one address")


def state_dir(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    return folder


def claim(tmp_path: Path, name: str) -> IPv4Network:
    return claim_range(state_dir(tmp_path, name), name, registry=tmp_path / "registry")


def test_a_node_keeps_its_range(tmp_path: Path) -> None:
    first = claim(tmp_path, "a")
    assert first.subnet_of(POOL)
    assert first.prefixlen == 24
    assert claim(tmp_path, "a") == first


def test_nodes_never_share_a_range(tmp_path: Path) -> None:
    assert len({claim(tmp_path, f"node-{n}") for n in range(50)}) == 50


def test_a_range_that_another_holds_is_passed_over(tmp_path: Path) -> None:
    wanted = claim(tmp_path, "a")
    (tmp_path / "a" / "addresses.json").unlink()
    holder = state_dir(tmp_path, "holder")
    (holder / "addresses.json").write_text(f'{{"range": "{wanted}"}}')
    (tmp_path / "registry" / str(wanted.network_address)).write_text(str(holder))
    assert claim(tmp_path, "a") != wanted


def test_the_range_of_a_node_that_is_gone_is_free(tmp_path: Path) -> None:
    wanted = claim(tmp_path, "a")
    (tmp_path / "a" / "addresses.json").unlink()
    (tmp_path / "registry" / str(wanted.network_address)).write_text(str(tmp_path / "removed"))
    assert claim(tmp_path, "a") == wanted


def test_a_range_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    claim(tmp_path, "a")
    (tmp_path / "a" / "addresses.json").write_text("{")
    assert claim(tmp_path, "a").subnet_of(POOL)


class TestPool:
    network = IPv4Network("127.64.5.0/24")

    def test_the_first_address_is_the_nodes(self) -> None:
        assert AddressPool(self.network).node_address == "127.64.5.1"

    def test_every_pod_has_another_until_none_is_left(self) -> None:
        pool = AddressPool(self.network)
        taken = {pool.take() for _ in range(253)}
        assert len(taken) == 253
        assert {"127.64.5.0", "127.64.5.1", "127.64.5.255"}.isdisjoint(taken)
        with pytest.raises(AddressesExhausted):
            pool.take()
        pool.free("127.64.5.9")
        assert pool.take() == "127.64.5.9"

    def test_a_freed_address_is_taken_again_last(self) -> None:
        pool = AddressPool(self.network)
        first = pool.take()
        pool.free(first)
        assert pool.take() != first

    def test_what_is_in_use_already_is_not_given_away(self) -> None:
        pool = AddressPool(self.network)
        pool.keep(["127.64.5.2"])
        assert pool.take() == "127.64.5.3"

    def test_where_there_is_one_address_all_share_it(self) -> None:
        pool = AddressPool(IPv4Network("127.0.0.1/32"))
        assert pool.node_address == pool.take() == pool.take() == "127.0.0.1"
