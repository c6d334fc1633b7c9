"""Which ports of which nodes are taken. Few pods use host ports, so this is kept by port and not by node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agents.scheduler.podinfo import ANY, HostPort
from agents.scheduler.rows import Mask, Rows


class HostPorts:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._taken: dict[tuple[str, int], dict[int, Counter[str]]] = {}

    def change(self, ports: Iterable[HostPort], row: int, by: int) -> None:
        for port in ports:
            by_row = self._taken.setdefault((port.protocol, port.port), {})
            addresses = by_row.setdefault(row, Counter())
            addresses[port.ip] += by
            if not addresses[port.ip]:
                del addresses[port.ip]
            if not addresses:
                del by_row[row]
            if not by_row:
                del self._taken[port.protocol, port.port]

    def conflicts(self, ports: Iterable[HostPort]) -> Mask:
        """The rows where one of the ports is taken. An address and "all addresses" exclude each other."""
        mask = self._rows.mask()
        for port in ports:
            for row, addresses in self._taken.get((port.protocol, port.port), {}).items():
                if port.ip == ANY or port.ip in addresses or ANY in addresses:
                    mask[row] = True
        return mask
