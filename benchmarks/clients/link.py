"""One connection that is never waited for, plain or over TLS. Connecting waits; everything after it does not."""

from __future__ import annotations

import socket
import ssl

CONNECT_SECONDS = 30.0
"""Many connect at once, and the servers shake one hand at a time."""

READ_BYTES = 1024 * 1024
"""One buffer for all connections of a process: what is read is taken before the next read."""


class Closed(Exception):
    """The other side ended the connection."""


class Link:
    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        self._unsent = b""
        self.want_write = False
        """Something could not be sent at once: `flush` when the socket is writable."""

    def fileno(self) -> int:
        return self._socket.fileno()

    def go(self) -> None:
        """From now on nothing waits."""
        self._socket.setblocking(False)

    def receive_some(self, limit: int = 65_536) -> bytes:
        """Before `go`: wait for something. Raises Closed."""
        data = self._socket.recv(limit)
        if not data:
            raise Closed
        return data

    def send_all(self, data: bytes) -> None:
        """Before `go`."""
        self._socket.sendall(data)

    def receive_into(self, buffer: memoryview) -> int:
        """How much is there, 0 for nothing more now. Over TLS one record at a time: call until 0. Raises Closed."""
        try:
            count = self._socket.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return 0
        except (ConnectionError, ssl.SSLError) as err:
            raise Closed from err
        if count == 0:
            raise Closed
        return count

    def send(self, data: bytes) -> None:
        """Send, or keep what does not go now. Raises Closed."""
        self._unsent += data
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self.want_write = True
            return
        except (ConnectionError, ssl.SSLError) as err:
            raise Closed from err
        self.want_write = False

    def close(self) -> None:
        self._socket.close()


def trusting(ca_file: str, *, alpn: str = "") -> ssl.SSLContext:
    """As usual clients have it, but for sessions: each connection shakes hands in full, as different clients do."""
    context = ssl.create_default_context(cafile=ca_file)
    if alpn:
        context.set_alpn_protocols([alpn])
    return context
