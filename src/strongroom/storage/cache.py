"""The barrier's cache: decrypted entries by storage key, bounded by bytes and number; oldest use goes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeVar

import msgspec

from strongroom.errors import CorruptEntry
from strongroom.storage.base import Batch

T = TypeVar("T")

#: What an entry costs beside its bytes: the key's and entry's objects and their place in the table, about.
OVERHEAD = 320

#: A decoded struct beside its text: `DECODED_OVERHEAD` and this times the text. Small strings are dear in Python.
DECODED_OVERHEAD = 128
DECODED_FACTOR = 3


class Entry(msgspec.Struct, gc=False):
    """What is known of a key: its bytes, or None when there is no entry; and the struct it was last decoded to.

    Outside the garbage collector's view, for a cache of 100,000 entries would otherwise slow each full collection.
    """

    value: bytes | None
    kind: type | None = None
    decoded: Any = None
    cost: int = 0


class Cache:
    """A least-recently-used cache. An entry that would take more than an eighth of it is not kept."""

    __slots__ = ("_entries", "cost", "max_bytes", "max_entries")

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self.cost = 0
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """The entry, which is from now on the most recently used one."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, value: bytes | None) -> Entry:
        """Keep what is known of a key in place of what was; returns the new entry, kept or not."""
        entries = self._entries
        cost = OVERHEAD + len(key) + (0 if value is None else len(value))
        entry = Entry(value, None, None, cost)
        before = entries.pop(key, None)
        total = self.cost if before is None else self.cost - before.cost
        if cost <= self.max_bytes >> 3:
            entries[key] = entry
            total += cost
        self.cost = total
        if total > self.max_bytes or len(entries) > self.max_entries:
            self._shrink()
        return entry

    def decoded(self, key: str, entry: Entry, kind: type, value: Any) -> None:
        """Keep beside an entry's bytes what they decode to."""
        fresh = entry.kind is None
        entry.kind, entry.decoded = kind, value
        if fresh and self._entries.get(key) is entry:
            extra = DECODED_OVERHEAD + DECODED_FACTOR * len(entry.value or b"")
            entry.cost += extra
            self.cost += extra
            self._shrink()

    def drop(self, key: str) -> None:
        """Forget a key."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.cost -= entry.cost

    def drop_prefix(self, prefix: str) -> None:
        """Forget all keys that start with `prefix`."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.cost = 0

    def _shrink(self) -> None:
        while self.cost > self.max_bytes or len(self._entries) > self.max_entries:
            _, entry = self._entries.popitem(last=False)
            self.cost -= entry.cost


class CoherentCache(Cache):
    """A cache that stays true to storage while reads and commits overlap.

    Two things could leave a stale entry behind: a read that was answered before a commit and fills the cache after it,
    and two commits of one key whose answers arrive in another order than their effects happened. So a commit takes
    away the token of every read under way of its keys, and what it wrote is kept only when no other overlapped it.
    """

    __slots__ = ("_filling", "_overlapped", "_writing")

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        super().__init__(max_bytes, max_entries)
        self._filling: dict[str, object] = {}
        #: How many commits are under way of a key, and the keys of which two have overlapped meanwhile.
        self._writing: dict[str, int] = {}
        self._overlapped: set[str] = set()

    def begin_fill(self, key: str) -> object:
        """Note a read under way."""
        token = self._filling[key] = object()
        return token

    def end_fill(self, key: str, token: object) -> bool:
        """Whether what the read found may be put into the cache."""
        if self._filling.get(key) is not token:
            return False
        del self._filling[key]
        return True

    def begin(self, batch: Batch) -> None:
        """Note which keys a commit under way is about."""
        writing = self._writing
        for key in (*batch.puts, *batch.deletes):
            others = writing.get(key, 0)
            writing[key] = others + 1
            if others:
                self._overlapped.add(key)
        if batch.delete_prefixes:
            self._overlap(batch)

    def finish(self, batch: Batch, committed: bool) -> None:
        """Put the cache right after a commit; when not `committed`, the outcome may be unknown."""
        if batch.delete_prefixes:
            self._overlap(batch)
            for prefix in batch.delete_prefixes:
                self.forget(prefix)
        puts, writing, overlapped = batch.puts, self._writing, self._overlapped
        for key in (*puts, *batch.deletes):
            self._filling.pop(key, None)
            if committed and key not in overlapped:
                self.put(key, puts.get(key))
            else:
                self.drop(key)
            others = writing.pop(key) - 1
            if others:
                writing[key] = others
            else:
                overlapped.discard(key)

    def forget(self, key: str) -> None:
        """Drop a key, or with a trailing `/` (or empty) everything beneath it."""
        if key and key[-1] != "/":
            self._filling.pop(key, None)
            self.drop(key)
            return
        for name in [name for name in self._filling if name.startswith(key)]:
            del self._filling[name]
        self.drop_prefix(key)

    def _overlap(self, batch: Batch) -> None:
        prefixes = tuple(batch.delete_prefixes)
        self._overlapped.update(key for key in self._writing if key.startswith(prefixes))


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def decode(key: str, value: bytes, kind: type[T]) -> T:
    """Decode a stored struct; raises `CorruptEntry`, which names the key and nothing of the value."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        result: T = decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CorruptEntry(f"the entry {key} does not decode as {getattr(kind, '__name__', kind)}") from None
    return result


def decode_entry(cache: Cache, key: str, entry: Entry, kind: type[T]) -> T | None:
    """Decode an entry of the cache and keep the result beside it."""
    if entry.value is None:
        return None
    value = decode(key, entry.value, kind)
    cache.decoded(key, entry, kind, value)
    return value
