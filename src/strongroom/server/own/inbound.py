"""The bytes of a connection → requests and their bodies. Pure: no sockets here, and no waiting."""

from __future__ import annotations

import re
from typing import Final

import httptools

from strongroom.memo import remember
from strongroom.server.listeners import MAX_HEAD
from strongroom.server.own.heads import CHUNKED, Block, Refused, Request, read_block, read_line

#: How many header blocks of a connection are remembered, and how long they may be. A client mostly sends the same
#: ones again and again, and to compare them costs a tenth of reading them.
MOST_KNOWN: Final = 4
LONGEST_KNOWN: Final = 2 << 10
#: And how many headers they may have: what is read of a small one takes a hundred times its bytes.
MOST_HEADERS_KNOWN: Final = 32

_END: Final = b"\r\n\r\n"
#: The line before a chunk: its size, extensions that nobody asked for, and how long it may be.
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[^\r\n]*)?\r\n")
_SIZE_SO_FAR: Final = re.compile(rb"[0-9A-Fa-f]{1,16}(?:;[^\r\n]*)?\r?")
LONGEST_SIZE: Final = 4 << 10
_EMPTY: Final = re.compile(rb"(?:\r\n)+")
_CHUNKED_HEAD: Final = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


class Inbound:
    """What has come and is not yet taken. One message after the other: its head, then its body until it is `whole`."""

    __slots__ = ("_body", "_data", "_known", "_left", "_lined", "_looked", "whole")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        #: Up to where there is no end of a head.
        self._looked = 0
        #: The first line of a head that is not all here is in order.
        self._lined = False
        self._known: dict[bytes, Block] = {}
        self._left = 0
        self._body: _Chunks | None = None
        #: Whether all of the latest request has been taken.
        self.whole = True

    def receive(self, data: bytes) -> None:
        """Some bytes."""
        if not self._data:
            self._data = data
        elif isinstance(self._data, bytearray):
            self._data += data
        else:
            self._data = bytearray(self._data) + data

    @property
    def more(self) -> bool:
        """Whether there is anything that is not taken."""
        return bool(self._data)

    def head(self, client: str) -> Request | None:
        """The next request, if its head is all here. Raises `Refused`."""
        end = self._data.find(_END, self._looked)
        if end < 0 or self._data[:2] == b"\r\n":
            return self._head_later(client)
        if end > MAX_HEAD:
            raise Refused(431)
        data = bytes(self._data)
        line_end = data.find(b"\r\n", 0, end + 2)
        method, target, version = read_line(data, line_end)
        raw = data[line_end + 2 : end + 2]
        block = self._known.get(raw) if version == "1.1" else None
        if block is None:
            block = self._read(version, raw)
        request = Request(method, target, version, block, client)
        self._data, self._looked, self._left = data[end + 4 :], 0, block.length
        self._lined = False
        self.whole = not block.length
        self._body = _Chunks() if block.length == CHUNKED else None
        return request

    def body(self) -> bytes:
        """What is here of the body that has not been taken. Raises `Refused`."""
        data = bytes(self._data)
        if self._body is not None:
            piece, self._data = self._body.take(data)
            self.whole = self._body.whole
            return piece
        piece, self._data = data[: self._left], data[self._left :]
        self._left -= len(piece)
        self.whole = not self._left
        return piece

    def _read(self, version: str, raw: bytes) -> Block:
        block = read_block(version, raw)
        if version == "1.1" and len(raw) <= LONGEST_KNOWN and len(block.headers) <= MOST_HEADERS_KNOWN:
            remember(self._known, raw, block, MOST_KNOWN)
        return block

    def _head_later(self, client: str) -> Request | None:
        """Look whether what is here can still become a head, past the empty lines that some send before it."""
        empty = _EMPTY.match(self._data)
        if empty is not None:
            self._data, self._looked, self._lined = self._data[empty.end() :], 0, False
            return self.head(client) if self._data else None
        if not self._lined:
            self._begin_line()
        if len(self._data) > MAX_HEAD:
            raise Refused(431)
        self._looked = max(len(self._data) - len(_END) + 1, 0)
        return None

    def _begin_line(self) -> None:
        """Look at what is here of the first line. Once it is all here it is not looked at again with every byte."""
        first = self._data[:1]
        if first and first != b"\r" and not first.isalpha():
            raise Refused(400)
        line = self._data.find(b"\n", max(self._looked - 1, 0), MAX_HEAD)
        if line >= 0:
            if self._data[line - 1 : line] != b"\r":
                raise Refused(400)
            read_line(bytes(self._data[: line - 1]), line - 1)
            self._lined = True


class _Chunks:
    """A chunked body. llhttp reads it, and what it does not say is found here: where the body ends.

    That can only be behind a chunk of size 0, so what is in the chunks before it need not be searched.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.whole = False
        #: How many bytes of the latest chunk, its end included, are still to come.
        self._due = 0
        #: The last chunk has begun: trailers and the end follow.
        self._last = False
        #: Bytes of the last chunk.
        self._trailing = 0
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_CHUNKED_HEAD)

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self.whole = True

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """The piece of the body in these bytes, and what is not read yet. Raises `Refused`."""
        at = 0 if self._last else self._chunks(data)
        self._feed(data[:at])
        while self._last and at < len(data) and not self.whole:
            # llhttp does not say where a message ended, but there is only one way to end.
            cut = at + 1 if at < len(_END) - 1 else _behind(data, at)
            self._feed(data[at:cut])
            self._trailing += cut - at
            if self._trailing > MAX_HEAD:
                raise Refused(400)
            at = cut
        piece = b"".join(self._pieces)
        self._pieces.clear()
        return piece, data[at:]

    def _chunks(self, data: bytes) -> int:
        """Up to where there are chunks, the last one not counted."""
        at = min(self._due, len(data))
        self._due -= at
        while at < len(data):
            line = _SIZE.match(data, at)
            if line is None:
                if len(data) - at > LONGEST_SIZE or not _SIZE_SO_FAR.fullmatch(data, at):
                    raise Refused(400)
                break  # the rest of it is still to come
            size = int(line[1], 16)
            if not size:
                self._last = True
                break
            end = line.end() + size + 2
            if end > len(data):
                self._due = end - len(data)
                return len(data)
            at = end
        return at

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            raise Refused(400) from None


def _behind(data: bytes, at: int) -> int:
    """Where the next place behind `at` is at which a message may end: the end of what is here, if there is none."""
    found = data.find(_END, at - len(_END) + 1)
    return len(data) if found < 0 else found + len(_END)
