"""Random nonces, drawn from the operating system many at a time: a system call each costs more than the encryption.

Each is used once: taking one out of the list is a single step for all threads, and a forked child starts with none, so
that it cannot repeat its parent's.
"""

from __future__ import annotations

import os
from typing import Final

DRAWN_AT_ONCE: Final = 256


class Nonces:
    """A source of random nonces of one size in bytes."""

    __slots__ = ("_ready", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._ready: list[bytes] = []
        os.register_at_fork(after_in_child=self._ready.clear)

    def __call__(self) -> bytes:
        """The next one."""
        try:
            return self._ready.pop()
        except IndexError:
            size = self._size
            drawn = os.urandom(size * DRAWN_AT_ONCE)
            first, *rest = (drawn[at : at + size] for at in range(0, len(drawn), size))
            self._ready.extend(rest)
            return first


nonce_12: Final = Nonces(12)
