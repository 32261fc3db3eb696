"""`Gathered`: small notes that are written together, now and then, so that what they are about pays for no write.

    notes: Gathered[str, Use] = Gathered(join=later, most=10_000)
    notes.add("role", Use(...))         # in a request: a dictionary's entry
    await notes.flush(write)            # in recurring work: `write` stores a part of them in one commit

Notes of one key are joined. A crash loses what waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

CHUNK: Final = 500


class Gathered(Generic[K, V]):
    """Notes by key; `join` makes one of an earlier and a later note, at most `most` keys wait."""

    def __init__(self, join: Callable[[V, V], V], most: int) -> None:
        self._join, self._most = join, most
        self._waiting: dict[K, V] = {}
        self._writing: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._writing)

    def add(self, key: K, note: V) -> bool:
        """Take a note; False when there is no room for another key."""
        waiting = self._waiting
        earlier = waiting.get(key)
        if earlier is not None:
            waiting[key] = self._join(earlier, note)
        elif len(waiting) >= self._most:
            return False
        else:
            waiting[key] = note
        return True

    def put(self, key: K, note: V) -> bool:
        """The same where the latest note is all that counts."""
        waiting = self._waiting
        if len(waiting) >= self._most and key not in waiting:
            return False
        waiting[key] = note
        return True

    def get(self, key: K) -> V | None:
        """What is known of a key beyond what is written."""
        return self._joined(self._writing.get(key), self._waiting.get(key))

    def pending(self) -> set[K]:
        """The keys of all notes that are not written yet."""
        return {*self._waiting, *self._writing}

    def forget(self, gone: Callable[[K], bool]) -> None:
        """Drop the notes of some keys."""
        for notes in (self._waiting, self._writing):
            for key in [key for key in notes if gone(key)]:
                del notes[key]

    async def flush(
        self, write: Callable[[Mapping[K, V]], Awaitable[None]], chunk: int = CHUNK, most: int | None = None
    ) -> None:
        """Have everything written that waits now, `chunk` keys at a time; what fails waits again.

        With `most` only about so many, those first that have waited longest.
        """
        left = len(self._waiting) if most is None else min(len(self._waiting), most)
        while self._waiting and left > 0:
            self._writing = dict(islice(self._waiting.items(), chunk))
            left -= len(self._writing)
            for key in self._writing:
                del self._waiting[key]
            try:
                await write(self._writing)
            except BaseException:
                for key, note in self._writing.items():
                    later = self._waiting.get(key)
                    self._waiting[key] = note if later is None else self._join(note, later)
                raise
            finally:
                self._writing = {}

    def _joined(self, earlier: V | None, later: V | None) -> V | None:
        if earlier is None or later is None:
            return later if earlier is None else earlier
        return self._join(earlier, later)
