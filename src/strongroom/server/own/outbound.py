"""An answer's first line and headers as bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from strongroom.memo import remember

Pairs = Sequence[tuple[str, str]]

#: How many different heads are remembered. Nearly all answers have one of a few.
MOST_KNOWN: Final = 256
#: And how long they may be, in bytes: some have what the client sent in them.
LONGEST_KNOWN: Final = 1 << 10


@dataclass(frozen=True, slots=True)
class Start:
    """The part of a head that answers have in common. `length` is the one it announces, None for none."""

    text: bytes
    length: int | None
    closes: bool


class Starts:
    """Makes and remembers them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[tuple[str, str], ...]], Start] = {}

    def get(self, status: int, headers: Pairs) -> Start:
        """The start of an answer. Raises `ValueError` for a header that would break out of its line."""
        key = status, tuple(headers)
        start = self._known.get(key)
        if start is None:
            start = _start(status, headers)
            if len(start.text) <= LONGEST_KNOWN:
                remember(self._known, key, start, MOST_KNOWN)
        return start


def _start(status: int, headers: Pairs) -> Start:
    lines = [f"HTTP/1.1 {status} {_phrase(status)}".encode()]
    length, closes = None, False
    for name, value in headers:
        line = f"{name}: {value}".encode("latin-1", "replace")
        if any(byte in line for byte in (b"\r", b"\n", b"\0")):
            raise ValueError(f"the header {name!r} has a line break in it")
        lines.append(line)
        if name == "content-length":
            length = int(value)
        closes = closes or (name == "connection" and value == "close")
    return Start(b"\r\n".join(lines), length, closes)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


class Clock:
    """The time as HTTP has it, made once a second."""

    def __init__(self) -> None:
        self._at, self._line = 0, b""

    def line(self) -> bytes:
        """The rest of a head that has nothing more to say."""
        now = int(time.time())
        if now != self._at:
            self._at, self._line = now, f"\r\ndate: {formatdate(now, usegmt=True)}\r\n\r\n".encode()
        return self._line


starts = Starts()
clock = Clock()
