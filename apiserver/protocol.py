"""The HTTP protocol of uvicorn with the one thing that it leaves out: the client's certificate.

The certificate was verified by TLS when the connection was made; it is handed to each request of the connection in
`scope["state"]["certificate"]`, in the shape of `ssl.SSLSocket.getpeercert`.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class CertificateProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert() if tls is not None else None
        # uvicorn copies this dictionary into every request of the connection.
        self.app_state = {"certificate": certificate}
