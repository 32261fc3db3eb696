"""One connection: bytes in, requests to the site, answers out.

Requests of a connection are answered one after the other. While one is under way no more is taken in than a body's
next piece, so a client cannot make us hold more than `HIGH` bytes that nobody has asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, cast

import h11

from strongroom.server.listeners import MAX_HEAD, MAX_HEADERS
from strongroom.server.own.peer import certificates_of, name_of
from strongroom.server.own.scope import BadTarget, Request
from strongroom.server.site import ClientLeft, Shown

if TYPE_CHECKING:
    from strongroom.server.own.server import Running

#: The most bytes of a body that wait to be asked for.
HIGH: Final = 1 << 18
#: How long a client may be silent in the middle of a body, and take nothing of an answer; seconds.
READ_SILENCE: Final = 30.0
WRITE_SILENCE: Final = 60.0
#: How long, and for how many bytes, a client that is refused may go on sending: cut off at once, it would lose the
#: answer that says why.
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 4 << 20

Pairs = list[tuple[str, str]]


class Connection(asyncio.Protocol):
    """A client's connection. `due` is when the server gives it up, in the loop's time."""

    def __init__(self, server: Running) -> None:
        self.due = math.inf
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._transport: asyncio.Transport | None = None
        self._wire: Wire | None = None
        self._client = ""
        self._shown: Shown = ()
        #: Some of the next request's head is here.
        self._begun = False
        self._full: asyncio.Future[None] | None = None
        #: How many bytes more are taken in, and thrown away, before it ends.
        self._lingering = 0
        #: It ends as soon as what was written has been taken.
        self._ending = False

    # -- What the transport says ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but no subclass
        self._client = name_of(transport.get_extra_info("peername"))
        self._shown = certificates_of(transport.get_extra_info("ssl_object"))
        self._wait(self._server.times.header)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes."""
        if self._lingering:
            self._lingering -= len(data)
            if self._lingering <= 0:
                self._abort()
            return
        self._h11.receive_data(data)
        if self._wire is None:
            self._next()
        else:
            self._wire.feed()

    def eof_received(self) -> None:
        """No more bytes; TLS has no half-closed connections, so the end follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._transport = None
        self.due = math.inf
        if self._wire is not None:
            self._wire.lose()
        self.resume_writing()
        self._server.closed(self)

    def pause_writing(self) -> None:
        """The client takes the answer more slowly than it comes."""
        if self._full is None:
            self._full = self._loop.create_future()
        self._wait(WRITE_SILENCE)

    def resume_writing(self) -> None:
        """There is room again."""
        full, self._full = self._full, None
        if full is not None:
            if not self._ending:
                self.due = math.inf
            if not full.done():
                full.set_result(None)

    # -- What the server says ---------------------------------------------------------------------------------------

    def finish(self) -> None:
        """End it, after the answer that is under way."""
        if self._wire is None:
            self._close()

    def expire(self) -> None:
        """It took too long."""
        self._abort()

    # -- Requests ---------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Begin the next request if its head is here."""
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as e:
            self._refuse(e.error_status_hint)
            return
        if isinstance(event, h11.Request):
            self._begin(event)
        elif event is h11.NEED_DATA:
            self._await_head()

    def _await_head(self) -> None:
        if self._begun:
            return
        self._begun = bool(self._h11.trailing_data[0])
        if self._begun:
            self._wait(self._server.times.header)

    def _begin(self, event: h11.Request) -> None:
        self._begun, self.due = False, math.inf
        if len(event.headers) > MAX_HEADERS or _length(event) > MAX_HEAD:
            self._refuse(431)
            return
        try:
            request = Request(event, self._client)
        except BadTarget:
            self._refuse(400)
            return
        self._wire = wire = Wire(self, request.method)
        wire.feed()
        self._server.bring(self._answer(request, wire))

    async def _answer(self, request: Request, wire: Wire) -> None:
        try:
            await self._server.site(request, wire, self._shown)
            wire.end()
            if self._full is not None:
                # Only then the next: who sends requests and takes no answers must not fill our memory with them.
                await asyncio.shield(self._full)
        except (ClientLeft, h11.LocalProtocolError):
            self._abort()
        except BaseException:
            self._abort()
            raise
        else:
            self._wire = None
            self._go_on()

    def _go_on(self) -> None:
        """After an answer: the next request, or the end."""
        if self._transport is None:
            return
        ours, theirs = self._h11.our_state, self._h11.their_state
        if ours is h11.DONE and theirs is h11.DONE and not self._server.stopping:
            self._h11.start_next_cycle()
            self.resume()
            self._wait(self._server.times.idle)
            self._next()
        elif theirs in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            self._close()
        else:
            self._linger()

    def _refuse(self, status: int) -> None:
        """Answer what is no HTTP, or too much of it, and end the connection."""
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [("content-length", "0"), ("connection", "close"), ("date", _date())]
            with contextlib.suppress(ClientLeft):
                self.send(h11.Response(status_code=status, headers=headers), h11.EndOfMessage())
        self._linger()

    def _linger(self) -> None:
        self._lingering, self._ending = LINGER_BYTES, True
        self.resume()
        self._wait(LINGER_SECONDS)

    def _close(self) -> None:
        if self._transport is not None:
            self._ending = True
            self._wait(WRITE_SILENCE)
            self._transport.close()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _wait(self, seconds: float) -> None:
        self.due = self._loop.time() + seconds

    # -- For the request's wire -------------------------------------------------------------------------------------

    @property
    def protocol(self) -> h11.Connection:
        """What has been said on this connection, and what may be said next."""
        return self._h11

    @property
    def ending(self) -> bool:
        """Whether there will be no request after this one."""
        theirs = self._h11.their_state
        return self._server.stopping or theirs in (h11.SEND_BODY, h11.ERROR)

    def send(self, *events: Any) -> None:
        """Write events. Raises `ClientLeft`, and `LocalProtocolError` for what may not be said now."""
        data = b"".join([self._h11.send(event) or b"" for event in events])
        if self._transport is None or self._transport.is_closing():
            raise ClientLeft
        if data:
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was written."""
        if self._full is not None:
            await asyncio.shield(self._full)
        if self._transport is None:
            raise ClientLeft

    def waits(self, *, for_body: bool) -> None:
        """A handler waits for the body, or no longer does."""
        if for_body:
            self._wait(READ_SILENCE)
        else:
            self.due = math.inf

    def pause(self) -> None:
        """Take nothing in for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Take in again."""
        if self._transport is not None:
            self._transport.resume_reading()


class Wire:
    """A request's body, and how it is answered; the `Wire` of a `Site`."""

    def __init__(self, connection: Connection, method: str) -> None:
        self._connection = connection
        self._head = method == "HEAD"
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._whole = False
        self._error: ClientLeft | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False

    # -- The body in ------------------------------------------------------------------------------------------------

    def feed(self) -> None:
        """Take what has arrived."""
        protocol = self._connection.protocol
        try:
            while not (self._whole or self._error):
                event = protocol.next_event()
                if isinstance(event, h11.Data):
                    self._chunks.append(bytes(event.data))
                    self._size += len(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self._whole = True
                else:
                    break
        except h11.RemoteProtocolError:
            self._error = ClientLeft()
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
        elif (self._whole and protocol.trailing_data[0]) or self._size > HIGH:
            self._paused = True
            self._connection.pause()

    def lose(self) -> None:
        """The client is gone."""
        self._error = self._error or ClientLeft()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __call__(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in chunks."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                yield chunk
            if self._whole:
                return
            if self._error:
                raise self._error
            await self._more()

    async def _more(self) -> None:
        connection = self._connection
        if connection.protocol.they_are_waiting_for_100_continue:
            connection.send(h11.InformationalResponse(status_code=100, headers=[]))
        if self._paused:
            self._paused = False
            connection.resume()
        self._waiter = asyncio.get_running_loop().create_future()
        connection.waits(for_body=True)
        try:
            await self._waiter
        finally:
            self._waiter = None
            connection.waits(for_body=False)

    # -- The answer out ---------------------------------------------------------------------------------------------

    def response_empty(self, status: int, headers: Pairs) -> None:
        """Answer without a body."""
        self.response_bytes(status, headers, b"")

    def response_bytes(self, status: int, headers: Pairs, body: bytes) -> None:
        """Answer with a body."""
        start = self._start(status, headers, len(body))
        if self._head or not body:
            self._connection.send(start, h11.EndOfMessage())
        else:
            self._connection.send(start, h11.Data(data=body), h11.EndOfMessage())

    def response_stream(self, status: int, headers: Pairs) -> Wire:
        """Answer in chunks."""
        self._connection.send(self._start(status, headers, None))
        return self

    async def send_bytes(self, chunk: bytes) -> None:
        """The next chunk of an answer."""
        if chunk and not self._head:
            self._connection.send(h11.Data(data=chunk))
        await self._connection.drained()

    def end(self) -> None:
        """The answer is complete. Raises `LocalProtocolError` when it is shorter than announced, or missing."""
        if self._connection.protocol.our_state is h11.SEND_BODY:
            self._connection.send(h11.EndOfMessage())
        elif self._connection.protocol.our_state is h11.SEND_RESPONSE:
            raise ClientLeft

    def _start(self, status: int, headers: Pairs, length: int | None) -> h11.Response:
        raw = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]
        given = {name for name, _ in raw}
        if length is not None and b"content-length" not in given and status >= 200 and status not in (204, 304):
            raw.append((b"content-length", b"%d" % length))
        if self._connection.ending and b"connection" not in given:
            raw.append((b"connection", b"close"))
        raw.append((b"date", _date().encode()))
        return h11.Response(status_code=status, headers=raw)


def _length(event: h11.Request) -> int:
    """About how long a head was: h11 looks at that only while it is incomplete."""
    return len(event.target) + sum([len(name) + len(value) for name, value in event.headers])


_known: tuple[int, str] = (0, "")


def _date() -> str:
    """The time as HTTP has it, made once a second."""
    global _known  # noqa: PLW0603 - what is remembered is the same for all
    now = int(time.time())
    if _known[0] != now:
        _known = now, formatdate(now, usegmt=True)
    return _known[1]
