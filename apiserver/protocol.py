"""The HTTP protocol of uvicorn with what it leaves out: the client's certificate, a way to drop a connection at once,
and a bound on the size of headers.

Each request of a connection finds in `scope["state"]`:

    certificate    as TLS verified it, in the shape of `ssl.SSLSocket.getpeercert`; None where the client has none
    abort          closes the connection without waiting for what is not written yet
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 1024 * 1024
"""As Go's `http.DefaultMaxHeaderBytes`. A request whose headers are longer is answered 400."""


class CertificateProtocol(HttpToolsProtocol):
    _head_bytes: int | None = 0
    """What was received of a request's headers; None while its body is received."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert() if tls is not None else None
        # uvicorn copies this dictionary into every request of the connection.
        self.app_state = {"certificate": certificate, "abort": transport.abort}

    def data_received(self, data: bytes) -> None:
        # The parser would keep an endless header in memory.
        if self._head_bytes is not None:
            if self._head_bytes > MAX_HEADER_BYTES:
                self.send_400_response("The request's headers are too large.")
                return
            self._head_bytes += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()
