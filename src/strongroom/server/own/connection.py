"""One connection: bytes in, requests to the site, answers out.

Requests of a connection are answered one after the other. While one is under way no more is taken in than a body's
next piece, so a client cannot make us hold more than `HIGH` bytes that nobody has asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Final, cast

from strongroom.server.own.heads import Refused, Request
from strongroom.server.own.inbound import Inbound
from strongroom.server.own.outbound import clock, starts
from strongroom.server.own.peer import certificates_of, name_of
from strongroom.server.own.wire import Wire
from strongroom.server.site import BrokenOff, ClientLeft, Shown

if TYPE_CHECKING:
    from strongroom.server.own.server import Running

#: How long a client may be silent in the middle of a body, and take nothing of an answer; seconds.
READ_SILENCE: Final = 30.0
WRITE_SILENCE: Final = 60.0
#: Who has asked for nothing so long, in seconds, may be ended where others wait for a connection.
SPARE_SECONDS: Final = 5.0
#: How long, and for how many bytes, a client that is refused may go on sending: cut off at once, it would lose the
#: answer that says why.
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 4 << 20


class Connection(asyncio.Protocol):
    """A client's connection. `due` is when the server gives it up, in the loop's time."""

    def __init__(self, server: Running) -> None:
        self.due = math.inf
        self.inbound = Inbound()
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._wire: Wire | None = None
        self._client = ""
        self._shown: Shown = None
        #: There has been a request.
        self._served = False
        #: Some of the next request's head is here.
        self._begun = False
        #: The client has said all it will say.
        self._silent = False
        self._full: asyncio.Future[None] | None = None
        #: How many bytes more are taken in, and thrown away, before it ends.
        self._lingering = 0
        #: It ends as soon as what was written has been taken.
        self._ending = False
        #: The request is answered, and the next one waits until the client has taken the answer.
        self._untaken = False

    # -- What the transport says ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected; the TLS handshake, if there is one, is done."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but no subclass
        self._client = name_of(transport.get_extra_info("peername"))
        if self._server.secured:
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
        self.inbound.receive(data)
        if self._wire is None:
            self._next()
        else:
            self._wire.feed()

    def eof_received(self) -> bool:
        """No more bytes. With TLS the end follows; else who has asked for something still gets its answer."""
        self._silent = True
        if self._wire is None or self._server.secured:
            return False
        self._wire.cut()
        return True

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
        if self._untaken:
            self._untaken = False
            self._done()

    # -- What the server says ---------------------------------------------------------------------------------------

    def finish(self) -> None:
        """End it, after the answer that is under way. One that ends already is left the time to do so cleanly."""
        if self._wire is None and not self._ending:
            self._close()

    def spare(self, now: float) -> bool:
        """Whether it has been idle for a while at this time of the loop's."""
        if self._begun or self._ending or self._wire is not None:
            return False
        times = self._server.times
        return now - self.due + (times.idle if self._served else times.header) > SPARE_SECONDS

    def expire(self) -> None:
        """It took too long."""
        self._abort()

    # -- Requests ---------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Begin the next request if its head is here."""
        try:
            request = self.inbound.head(self._client)
        except Refused as e:
            self._refuse(e.status)
            return
        if request is not None:
            self._begin(request)
        elif not self._begun and self.inbound.more:
            self._begun = True
            self._wait(self._server.times.header)

    def _begin(self, request: Request) -> None:
        self._begun, self._served, self.due = False, True, math.inf
        self._wire = wire = Wire(self, request)
        if self.inbound.more:
            wire.feed()
        self._server.bring(self._answer(request, wire))

    async def _answer(self, request: Request, wire: Wire) -> None:
        try:
            await self._server.site(request, wire, self._shown)
            wire.end()
        except (ClientLeft, BrokenOff):
            # Cut off, an answer cannot be taken for a whole one.
            self._abort()
        except BaseException:
            self._abort()
            raise
        else:
            if self._full is None:
                self._done()
            else:
                # Only then the next: who sends requests and takes no answers must not fill our memory with them.
                self._untaken = True

    def _done(self) -> None:
        """After an answer: the next request, or the end."""
        wire, self._wire = self._wire, None
        if self._transport is None or wire is None:
            return
        if wire.kept and not self._silent and not self._server.stopping:
            self._wait(self._server.times.idle)
            if wire.paused:
                self.resume()
            if self.inbound.more:
                self._next()
        elif self._silent or (wire.whole and not self.inbound.more):
            self._close()
        else:
            self._linger()

    def _refuse(self, status: int) -> None:
        """Answer what is no HTTP, or too much of it, and end the connection."""
        with contextlib.suppress(ClientLeft):
            start = starts.get(status, (("content-length", "0"), ("connection", "close")))
            self.write(start.text + clock.line())
        self._linger()

    def _linger(self) -> None:
        """Say nothing more and take in a little: closing with bytes unread is a reset, and may cost the answer."""
        self._lingering, self._ending = LINGER_BYTES, True
        transport = self._transport
        if transport is not None and transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
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
    def stopping(self) -> bool:
        """Whether there will be no request after this one."""
        return self._server.stopping or self._silent

    def write(self, data: bytes) -> None:
        """Send bytes. Raises `ClientLeft`."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ClientLeft
        transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was written, and let others have a turn in any case.

        A client that takes everything at once would otherwise have the loop to itself for as long as its answer is.
        """
        if self._full is not None:
            await asyncio.shield(self._full)
        else:
            await asyncio.sleep(0)
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
