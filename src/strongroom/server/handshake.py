"""TLS handshakes that say why they end.

asyncio and uvloop close a connection whose handshake fails without sending what OpenSSL has to say about it: a client
whose certificate has expired would see no more than an end. Here the alert goes out first, and the connection stays for
a moment: what the client has sent in the meantime would make closing it a reset, and the alert might be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from contextvars import ContextVar
from typing import Any, Final

#: How long a client may take to read why it is refused, in seconds.
LINGER_SECONDS: Final = 1.0


class Greeted:
    """A connection while its handshake is under way. It is the transport's; `left` is ours, once an alert was sent."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._left: socket.socket | None = None

    def refuse(self, alert: bytes) -> None:
        """Send the last word."""
        with contextlib.suppress(OSError):
            self._sock.send(alert)
            self._left = self._sock.dup()

    async def linger(self) -> None:
        """Wait until the client has gone after a refusal, within limits."""
        if self._left is None:
            return
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(OSError):  # TimeoutError included
                self._left.shutdown(socket.SHUT_WR)
                async with asyncio.timeout(LINGER_SECONDS):
                    while await loop.sock_recv(self._left, 1 << 16):
                        pass
        finally:
            self._left.close()


#: The connection that is being greeted; the transport is made in the same context.
GREETED: Final[ContextVar[Greeted | None]] = ContextVar("greeted", default=None)


class Handshake(ssl.SSLObject):
    """The server's side of a connection, which sends its last word itself."""

    outgoing: ssl.MemoryBIO | None = None
    greeted: Greeted | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if self.greeted is not None and self.outgoing is not None and (alert := self.outgoing.read()):
                self.greeted.refuse(alert)
            raise


class Context(ssl.SSLContext):
    """The settings of a listener whose handshakes are `Handshake`."""

    sslobject_class = Handshake

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a handshake."""
        made = super().wrap_bio(incoming, outgoing, *args, **options)
        if isinstance(made, Handshake):
            made.outgoing, made.greeted = outgoing, GREETED.get()
        return made
