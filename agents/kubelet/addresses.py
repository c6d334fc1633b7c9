"""Addresses for pods: every node has a /24 out of 127.64.0.0/10, every pod an address in it.

All of 127.0.0.0/8 is the loopback on Linux, so a pod's process can bind its own address, and two pods can listen on
the same port. Nobody else on the network can reach them. On other systems only 127.0.0.1 works: every pod gets that.

A node keeps its /24: it stands in `<state_dir>/addresses.json`. So that control planes side by side on one machine
never share one, each /24 in use is a file in a folder that all of them see, which holds the state_dir of its node.
The claim of a node whose state_dir is gone, or which has another /24 now, is free again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import orjson
import structlog

log = structlog.get_logger(__name__)

POOL = IPv4Network("127.64.0.0/10")
ONLY_LOOPBACK = IPv4Network("127.0.0.1/32")


class AddressesExhausted(Exception):
    """No address is left: every /24 of the machine is taken, or every address of the node."""


def claim_range(state_dir: Path, node: str, *, registry: Path | None = None) -> IPv4Network:
    """The node's range, claimed now or before. Raises AddressesExhausted."""
    if not sys.platform.startswith("linux"):
        return ONLY_LOOPBACK
    folder = registry or Path(tempfile.gettempdir()) / "backbeat-addresses"
    with _locked(folder):
        known = _remembered(state_dir)
        for network in _candidates(state_dir, node, known):
            if _claim(folder, network, state_dir):
                _remember(state_dir, network)
                return network
    raise AddressesExhausted(f"every /24 of {POOL} is claimed in {folder}; remove the files of nodes that are gone")


def _candidates(state_dir: Path, node: str, known: IPv4Network | None) -> Iterator[IPv4Network]:
    if known is not None:
        yield known
    slots = 1 << (24 - POOL.prefixlen)
    digest = hashlib.sha256(f"{state_dir.resolve()}\0{node}".encode()).digest()
    first = int.from_bytes(digest[:4], "big")
    for step in range(slots):
        yield IPv4Network((int(POOL.network_address) + ((first + step) % slots << 8), 24))


def _claim(folder: Path, network: IPv4Network, state_dir: Path) -> bool:
    """Under the registry's lock."""
    path = folder / str(network.network_address)
    mine = str(state_dir.resolve())
    try:
        holder = path.read_text()
    except FileNotFoundError:
        holder = mine
    if holder != mine and _still_claims(Path(holder), network):
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(mine)
    temporary.replace(path)
    return True


def _still_claims(state_dir: Path, network: IPv4Network) -> bool:
    """Another user's state_dir may be closed to us: then the claim holds."""
    try:
        return _remembered(state_dir) == network
    except PermissionError:
        return True


def _remembered(state_dir: Path) -> IPv4Network | None:
    """Raises PermissionError."""
    try:
        return IPv4Network(orjson.loads((state_dir / "addresses.json").read_bytes())["range"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (orjson.JSONDecodeError, KeyError, ValueError):
        log.warning("cannot read a node's address range; it gets another", state_dir=str(state_dir))
        return None


def _remember(state_dir: Path, network: IPv4Network) -> None:
    path = state_dir / "addresses.json"
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(orjson.dumps({"range": str(network)}))
    temporary.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)  # as the temporary folder itself: every user may claim, nobody may remove another's
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class AddressPool:
    """The addresses of one node. The first is the node's own; a freed one is taken again last."""

    def __init__(self, network: IPv4Network) -> None:
        self.network = network
        self._taken: set[IPv4Address] = set()
        self._last = 1

    @property
    def node_address(self) -> str:
        return str(self.network[0] if self.network.num_addresses == 1 else self.network[1])

    def take(self) -> str:
        if self.network.num_addresses == 1:
            return self.node_address
        usable = self.network.num_addresses - 3  # not the network's, the node's and the broadcast address
        for step in range(usable):
            offset = 2 + (self._last - 1 + step) % usable
            address = self.network[offset]
            if address not in self._taken:
                self._taken.add(address)
                self._last = offset
                return str(address)
        raise AddressesExhausted(f"all {usable} pod addresses of {self.network} are taken")

    def keep(self, addresses: Iterable[str]) -> None:
        """These are in use already."""
        self._taken.update(IPv4Address(a) for a in addresses)

    def free(self, address: str) -> None:
        self._taken.discard(IPv4Address(address))
