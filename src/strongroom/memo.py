"""What is made for a key, kept for the next who asks: bounded, and so simple that threads may share it."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def remember(known: dict[K, V], key: K, value: V, most: int) -> V:
    """Keep what was made for a key; with `most` kept already, the others go, in one step for the threads' sake."""
    if len(known) >= most:
        known.clear()
    known[key] = value
    return value
