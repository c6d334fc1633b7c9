"""The HTTP protocol of uvicorn with what it leaves out: the client's certificate, a way to drop a connection at once,
a bound on the size of headers, and an end that does not wait for clients.

Each request of a connection finds in `scope["state"]`:

    certificate    as TLS verified it, in the shape of `ssl.SSLSocket.getpeercert`; None where the client has none
    abort          closes the connection without waiting for what is not written yet
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 1024 * 1024
"""As Go's `http.DefaultMaxHeaderBytes`. A request whose headers are longer is answered 400."""


LINGER_SECONDS = 1.0
"""How long a server that stops waits for a client to answer the end of TLS, which most never do."""


class CertificateProtocol(HttpToolsProtocol):
    _head_bytes: int | None = 0
    """What was received of a request's headers; None while its body is received."""
    _stopping = False

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

    def shutdown(self) -> None:
        super().shutdown()
        self._stopping = True
        self._linger()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._stopping:
            self._linger()

    def _linger(self) -> None:
        if self.transport.is_closing():
            self.loop.call_later(LINGER_SECONDS, self.transport.abort)
