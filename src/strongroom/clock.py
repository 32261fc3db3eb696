"""Time and randomness, injectable: everything that asks for either takes a `Clock`.

Randomness always comes from the operating system; the class exists so that tests can move time, not chance.
"""

from __future__ import annotations

import functools
import secrets
import string
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

ALPHANUMERIC = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Clock:
    """The system's time. `now_ns` is Unix time in nanoseconds, `monotonic` seconds that never step back."""

    now_ns: Callable[[], int] = staticmethod(time.time_ns)
    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def now(self) -> float:
        """Unix time in seconds."""
        return self.now_ns() / 1e9


class ManualClock(Clock):
    """A clock that moves only when told; for tests."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._ns = int(start * 1e9)
        self.now_ns = lambda: self._ns
        self.monotonic = lambda: self._ns / 1e9

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass."""
        self._ns += int(seconds * 1e9)


@functools.lru_cache(maxsize=256)
def whole_second(second: int) -> str:
    """A whole second of Unix time as RFC 3339 in UTC, without what says so at the end."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(ns: int) -> str:
    """Unix nanoseconds as RFC 3339 in UTC with nanoseconds and `Z`, trailing zeros cut as Go does."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    text = whole_second(seconds)
    return f"{text}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"


def new_uuid() -> str:
    """A random UUID (version 4) from the operating system's randomness."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


@functools.lru_cache(maxsize=64)
def _places(size: int) -> tuple[bytes, bytes]:
    """For `bytes.translate`: the place in an alphabet of that size that a byte stands for, and the bytes without one.

    Bytes above the last whole multiple are thrown away, so that no character is likelier than another.
    """
    end = 256 - 256 % size
    return bytes(b % size for b in range(256)), bytes(range(end, 256))


def random_text(length: int, alphabet: str = ALPHANUMERIC) -> str:
    """That many random characters of an alphabet of up to 256, each drawn evenly."""
    places, none = _places(len(alphabet))
    drawn = b""
    while len(drawn) < length:
        drawn += secrets.token_bytes(length * 2).translate(places, none)
    return "".join(map(alphabet.__getitem__, drawn[:length]))
