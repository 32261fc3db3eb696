"""A request's body, and how it is answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from strongroom.server.own.heads import Refused, Request
from strongroom.server.own.outbound import Pairs, clock, starts
from strongroom.server.site import ClientLeft

if TYPE_CHECKING:
    from strongroom.server.own.connection import Connection

#: The most bytes of a body that wait to be asked for.
HIGH: Final = 1 << 18
#: Statuses whose answers end with their heads, whatever is said of a length: a body would be the next answer's head.
BODILESS: Final = frozenset((204, 304))
GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wire:
    """The `Wire` of a `Site`. Methods that answer raise `ClientLeft`.

    `answered` is set once the whole answer is written, `kept` says whether the connection may go on after it, and
    `paused` that it takes nothing in until then.
    """

    __slots__ = (
        "_announced",
        "_chunked",
        "_chunks",
        "_connection",
        "_error",
        "_request",
        "_sent",
        "_size",
        "_streams",
        "_waiter",
        "_waits",
        "answered",
        "kept",
        "paused",
        "whole",
    )

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._error: ClientLeft | None = None
        self._waiter: asyncio.Future[None] | None = None
        #: The client keeps the body back until it is asked for it.
        self._waits = request.block.waits
        self._streams = self._chunked = False
        #: The bytes of a streamed answer, announced and sent.
        self._announced: int | None = None
        self._sent = 0
        self.whole = not request.block.length
        self.answered = self.paused = False
        self.kept = request.block.kept

    # -- The body in ------------------------------------------------------------------------------------------------

    def feed(self) -> None:
        """Take what has arrived."""
        inbound = self._connection.inbound
        if not self.whole and self._error is None:
            try:
                piece = inbound.body()
            except Refused:
                self._error = ClientLeft()
            else:
                self.whole = inbound.whole
                if piece:
                    self._waits = False
                    self._chunks.append(piece)
                    self._size += len(piece)
        if self._waiter is not None:
            self._wake()
        if (self.whole and inbound.more) or self._error is not None or (self._size > HIGH and self._waiter is None):
            self.paused = True
            self._connection.pause()

    def cut(self) -> None:
        """Nothing more comes."""
        if not self.whole:
            self._error = self._error or ClientLeft()
            self._wake()

    def lose(self) -> None:
        """The client is gone."""
        self._error = self._error or ClientLeft()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def at_hand(self) -> bytes | None:
        """The whole body if it has come in one piece, as most do."""
        if not self.whole or len(self._chunks) > 1:
            return None
        self._size = 0
        return self._chunks.popleft() if self._chunks else b""

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
            if self.whole:
                return
            if self._error:
                raise self._error
            await self._more()

    async def _more(self) -> None:
        connection = self._connection
        if self._waits:
            self._waits = False
            connection.write(GO_ON)
        if self.paused:
            self.paused = False
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
        start = starts.get(status, headers)
        parts = [start.text]
        if status in BODILESS:
            body = b""
        elif start.length is None:
            parts.append(b"\r\ncontent-length: %d" % len(body))
        self._finish_head(parts, closes=start.closes)
        if self._request.method != "HEAD":
            parts.append(body)
        self.answered = True
        self._connection.write(b"".join(parts))

    def response_stream(self, status: int, headers: Pairs) -> Wire:
        """Answer in chunks."""
        start = starts.get(status, headers)
        parts = [start.text]
        self._streams, self._announced = True, start.length
        if start.length is None:
            if self._request.http_version == "1.1":
                self._chunked = True
                parts.append(b"\r\ntransfer-encoding: chunked")
            else:
                self.kept = False
        self._finish_head(parts, closes=start.closes)
        self._connection.write(b"".join(parts))
        return self

    async def send_bytes(self, chunk: bytes) -> None:
        """The next chunk of an answer."""
        if chunk:
            self._sent += len(chunk)
            if self._announced is not None and self._sent > self._announced:
                raise ValueError("an answer is longer than it said")
            if self._request.method != "HEAD":
                self._connection.write(b"%x\r\n%s\r\n" % (len(chunk), chunk) if self._chunked else chunk)
        await self._connection.drained()

    def end(self) -> None:
        """The answer is complete. Raises `ClientLeft` when it is shorter than it said, or missing."""
        if self.answered:
            return
        if not self._streams or (self._announced is not None and self._sent < self._announced):
            raise ClientLeft
        if self._chunked and self._request.method != "HEAD":
            self._connection.write(b"0\r\n\r\n")
        self.answered = True

    def _finish_head(self, parts: list[bytes], *, closes: bool) -> None:
        if closes:
            self.kept = False
        elif not self.kept or not self.whole or self._connection.stopping:
            self.kept = False
            parts.append(b"\r\nconnection: close")
        elif self._request.http_version == "1.0":
            parts.append(b"\r\nconnection: keep-alive")
        parts.append(clock.line())
