"""The listening side: connections are accepted, greeted, counted, given up and ended here."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from strongroom.config import Listener
from strongroom.server.handshake import GREETED, Greeted
from strongroom.server.listeners import most_connections
from strongroom.server.own.connection import Connection
from strongroom.server.own.peer import name_of
from strongroom.server.own.wire import Wire
from strongroom.server.site import Site
from strongroom.turns import Driver

log = logging.getLogger("strongroom.http")

#: How often connections that took too long are looked for, in seconds.
SWEEP_SECONDS: Final = 0.5
#: How long a client may take to confirm the end of its connection, in seconds.
SHUTDOWN_SECONDS: Final = 1.0
#: How long idle connections stay when the server stops, in seconds.
GRACE_SECONDS: Final = 0.05
#: How long nothing is accepted after the system had no descriptor for it, in seconds.
PAUSE_SECONDS: Final = 0.5
#: Connections accepted in one go: while requests keep the loop busy its turns are few.
MOST_AT_ONCE: Final = 16
#: What a TLS connection begins with (RFC 8446, 5.1: a record of type handshake).
HANDSHAKE: Final = b"\x16"
#: To who speaks HTTP without TLS; the words of Go's server, and so of Vault's.
PLAIN: Final = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"Client sent an HTTP request to an HTTPS server.\n"
)


@dataclass(frozen=True, slots=True)
class Times:
    """How long a client may take, in seconds: for the head of a request, and between requests."""

    header: float
    idle: float

    @classmethod
    def of(cls, listener: Listener) -> Times:
        """A listener's, where 0 stands for the default."""
        return cls(
            listener.http_read_header_timeout or Listener.http_read_header_timeout,
            listener.http_idle_timeout or Listener.http_idle_timeout,
        )


#: All that share the process's file descriptors.
_running: set[Running] = set()


class Running:
    """A server on a listening socket."""

    def __init__(self, site: Site, sock: socket.socket, listener: Listener, context: ssl.SSLContext | None) -> None:
        self.site = site
        site.at_hand = Wire.at_hand
        #: Whether it speaks TLS.
        self.secured = context is not None
        self.times = Times.of(listener)
        #: Connections end with their next answer, and then without one.
        self.stopping = self._over = False
        self._listening = sock
        self._context = context
        self._most = most_connections()
        self._loop = asyncio.get_running_loop()
        self.bring = Driver(self._loop, site.enter, self._loop.call_soon).bring
        self._sock: socket.socket | None = None
        self._accepting = False
        self._greeting: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._gone = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def open(self) -> int:
        """How many connections it has."""
        return len(self._greeting) + len(self._connections)

    async def start(self) -> None:
        """Start it; on return it takes connections."""
        _running.add(self)
        # A descriptor of its own: the server that replaces this one waits on the same socket.
        self._sock = self._listening.dup()
        self._sock.setblocking(False)
        self._accept_more()
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    async def stop(self) -> None:
        """Take no more connections, finish the requests under way, close the connections.

        For a moment whoever is there, or waits to be let in, may still ask once, and is told that it was the last time:
        a request that is on its way while its connection is closed would be lost.
        """
        self.stopping = True
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._all_gone()
            self._over = True
            self._accept_no_more()
            if self._sock is not None:
                self._sock.close()
                self._sock = None
            for task in self._greeting:
                task.cancel()
            for connection in list(self._connections):
                connection.finish()
            await self._all_gone()
        finally:
            _running.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    async def _all_gone(self) -> None:
        while self.open:
            self._gone.clear()
            await self._gone.wait()

    def kill(self) -> None:
        """Give up waiting."""
        _running.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._connections):
            connection.expire()

    # -- Accepting --------------------------------------------------------------------------------------------------

    def _accept_more(self) -> None:
        if self._sock is not None and not self._accepting and not self.site.retiring:
            self._accepting = True
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept_no_more(self) -> None:
        if self._sock is not None and self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._sock.fileno())

    def _accept(self) -> None:
        for _ in range(MOST_AT_ONCE):
            if not self._accepting or not self._accept_one():
                return

    def _accept_one(self) -> bool:
        """Take a connection that waits, if there is one."""
        assert self._sock is not None
        if self.site.retiring or self._full():
            self._accept_no_more()
            return False
        try:
            sock, address = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as e:
            log.error("no connection can be accepted: %s", (e.strerror or "it failed").lower())
            self._accept_no_more()
            self._loop.call_later(PAUSE_SECONDS, self._accept_more)
            return False
        sock.setblocking(False)
        task = self._loop.create_task(self._greet(sock, name_of(address)))
        self._greeting.add(task)
        task.add_done_callback(self._greeted)
        return True

    def _full(self) -> bool:
        return sum(each.open for each in _running) >= self._most

    def _greeted(self, task: asyncio.Task[None]) -> None:
        self._greeting.discard(task)
        self._one_less()

    async def _greet(self, sock: socket.socket, client: str) -> None:
        """Begin a connection: after the TLS handshake where there is one, if that is what the client came for."""
        if self._context is None:
            await self._loop.connect_accepted_socket(lambda: Connection(self), sock)
            return
        greeted = Greeted(sock)
        try:
            async with asyncio.timeout(self.times.header):
                first = await _peek(sock)
            if first == HANDSHAKE:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                GREETED.set(greeted)
                await self._loop.connect_accepted_socket(
                    lambda: Connection(self),
                    sock,
                    ssl=self._context,
                    ssl_handshake_timeout=self.times.header,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
                return
            if first.isalpha():
                with contextlib.suppress(OSError):
                    sock.recv(1 << 16)  # what is left unread makes closing a reset, and the answer is lost
                    sock.send(PLAIN)
        except asyncio.CancelledError:
            sock.close()
            raise
        except OSError as e:  # ssl.SSLError and TimeoutError included
            level = logging.INFO if isinstance(e, ssl.SSLError) and "CERTIFICATE" in (e.reason or "") else logging.DEBUG
            log.log(level, "TLS handshake with %s failed: %s", client, _why(e))
            await greeted.linger()
        sock.close()

    # -- Connections ------------------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A connection is there."""
        self._connections.add(connection)
        if self._over:
            connection.finish()

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self._one_less()

    def _one_less(self) -> None:
        if self.stopping:
            if not self.open:
                self._gone.set()
        elif not self._full():
            self._accept_more()

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [one for one in self._connections if one.due <= now]:
            connection.expire()
        if self._full():
            self._make_room(now)
        else:
            self._accept_more()  # it may have been another listener's connection that ended
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def _make_room(self, now: float) -> None:
        """End some of those who have been idle longest: who only holds connections must not keep all others out."""
        spare = [one for one in self._connections if one.spare(now)]
        for connection in heapq.nsmallest(max(self._most // 16, 1), spare, key=lambda one: one.due):
            connection.finish()


async def _peek(sock: socket.socket) -> bytes:
    """The first byte that a client sends, left where it is; b"" when it leaves."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            pass
        there = loop.create_future()
        loop.add_reader(sock.fileno(), _tell, there)
        try:
            await there
        finally:
            loop.remove_reader(sock.fileno())


def _tell(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return getattr(error, "verify_message", "") or (error.reason or "it is no TLS").replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error) or "it took too long"
