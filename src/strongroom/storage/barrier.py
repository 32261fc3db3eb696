"""The barrier: everything above it is plaintext, everything below it is encrypted under the keyring.

What lies in storage under a key is drawn in `crypto/keyring.py`; the key is part of the associated data, so entries can
be neither altered nor swapped. Three things lie beside the barrier in plain sight, because they are needed before or
without it: the keyring (itself encrypted under the root key), the fence, and what a seal writes with `beside`.
"""

from __future__ import annotations

import asyncio
import enum
import hmac
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec

from strongroom.clock import Clock
from strongroom.crypto.keyring import USE_BLOB, Keyring
from strongroom.errors import CorruptEntry, CryptoError, Sealed, StorageError
from strongroom.storage.base import FENCE_KEY, Batch, Storage, check_key
from strongroom.storage.cache import CoherentCache, Entry, decode_entry

T = TypeVar("T")

KEYRING_KEY: Final = "core/keyring"

#: AES-GCM passes more than a gigabyte a second, so a hop to a thread pays only above this many bytes.
THREAD_BYTES: Final = 1 << 20

#: How many encryptions may go uncounted by a crash. A term allows 4.3e8 more than the limit at which it is rotated,
#: so 6,000 crashes that each lose this many would still be within the limit of SP 800-38D.
SAVE_EVERY: Final = 1 << 16

_RESERVED: Final = frozenset({KEYRING_KEY, FENCE_KEY})


class Miss(enum.Enum):
    """What `cached` answers when only storage knows."""

    MISS = enum.auto()


MISS: Final = Miss.MISS


class KeyStatus(msgspec.Struct, frozen=True):
    """The active term: its number, when it was installed (Unix nanoseconds), how often it has encrypted."""

    term: int
    installed: int
    encryptions: int


class _Open:
    """All that exists only while unsealed. Whoever was under way at the sealing still holds it, and fills only it."""

    __slots__ = ("cache", "keyring", "root_key", "saved")

    def __init__(self, keyring: Keyring, root_key: bytes, cache: CoherentCache) -> None:
        self.keyring, self.root_key, self.cache = keyring, root_key, cache
        self.saved = keyring.active.encryptions


class Barrier:
    """Encrypted, cached storage, sealed until `unseal`. While sealed, all but the seal's own methods raise `Sealed`.

    `fence` goes with every commit. `cache_bytes` bounds the cache's memory (0 turns it off), `cache_entries` the number
    of its entries.
    """

    def __init__(
        self, storage: Storage, clock: Clock | None = None, *, cache_bytes: int = 32 << 20, cache_entries: int = 131_072
    ) -> None:
        self.storage = storage
        self.fence: bytes | None = None
        self._clock = clock or Clock()
        self._cache_bounds = (cache_bytes, cache_entries)
        self._open: _Open | None = None
        self._keyring_lock = asyncio.Lock()
        self._listeners: list[tuple[str, Callable[[str], None]]] = []
        #: What their keys start with.
        self._told: tuple[str, ...] = ()
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- The seal ---------------------------------------------------------------------------------------------------

    @property
    def sealed(self) -> bool:
        """Whether the keyring is out of memory."""
        return self._open is None

    async def initialised(self) -> bool:
        """Whether there is a keyring in storage."""
        return await self.storage.get(KEYRING_KEY) is not None

    async def initialise(self, root_key: bytes, beside: Mapping[str, bytes] | None = None) -> None:
        """Write a new keyring of one term, and with it, unencrypted, the entries `beside`. It stays sealed.

        Raises `StorageError` when there is a keyring already.
        """
        async with self._keyring_lock:
            if await self.initialised():
                raise StorageError("there is a keyring already; it is not overwritten")
            await self._write_keyring(Keyring.new(self._clock.now_ns()), root_key, beside)

    async def unseal(self, root_key: bytes) -> None:
        """Read the keyring into memory; nothing is ever written.

        Raises `CryptoError` when the root key is another one, `CorruptEntry` when the keyring is damaged, and
        `StorageError` when there is none.
        """
        keyring = await self._read_keyring(root_key)
        self.seal()
        self._open = _Open(keyring, root_key, CoherentCache(*self._cache_bounds))

    def seal(self) -> None:
        """Drop every key and every plaintext. `save` first, to keep the count of encryptions exact."""
        open_, self._open = self._open, None
        if open_ is not None:
            open_.cache.clear()

    async def reload(self) -> None:
        """Read the keyring anew, as a standby must when the active node has written it; raises as `unseal`."""
        async with self._keyring_lock:
            open_ = self._unsealed()
            open_.keyring = await self._read_keyring(open_.root_key)
            open_.saved = open_.keyring.active.encryptions

    def fits(self, root_key: bytes) -> bool:
        """Whether this is the root key, compared in constant time."""
        return hmac.compare_digest(self._unsealed().root_key, root_key)

    def opens(self, keyring: bytes) -> bool:
        """Whether the present root key opens this stored keyring."""
        try:
            Keyring.open(self._unsealed().root_key, keyring, KEYRING_KEY.encode())
        except (CryptoError, CorruptEntry):
            return False
        return True

    async def rotate(self) -> int:
        """Add a term, which encrypts from now on; returns its number."""
        return await self._to_the_end(self._rotate())

    async def rekey(self, root_key: bytes, beside: Mapping[str, bytes] | None = None) -> None:
        """Encrypt the keyring under a new root key; in the same commit write the unencrypted entries `beside`."""
        await self._to_the_end(self._rekey(root_key, beside))

    async def save(self) -> None:
        """Store the count of encryptions when it has grown since; call now and then, and before sealing."""
        async with self._keyring_lock:
            open_ = self._unsealed()
            count = open_.keyring.active.encryptions
            if count != open_.saved:
                await self._write_keyring(open_.keyring, open_.root_key)
                open_.saved = count

    @property
    def unsaved_encryptions(self) -> int:
        """How many encryptions a crash would leave uncounted; `save` when there are `SAVE_EVERY`."""
        open_ = self._unsealed()
        return open_.keyring.active.encryptions - open_.saved

    def key_status(self) -> KeyStatus:
        """The active term."""
        term = self._unsealed().keyring.active
        return KeyStatus(term.number, term.installed, term.encryptions)

    def rotation_due(self, max_operations: int, interval: int = 0) -> bool:
        """Whether the active term has encrypted that often, or is older than `interval` nanoseconds (0: any age)."""
        status = self.key_status()
        aged = interval > 0 and self._clock.now_ns() - status.installed >= interval
        return aged or status.encryptions >= max_operations

    # -- Reading ----------------------------------------------------------------------------------------------------

    def cached(self, key: str) -> bytes | Literal[Miss.MISS] | None:
        """What the cache knows of a key, without suspending: its value, None when there is none, or `MISS`."""
        entry = (self._open or self._unsealed()).cache.get(key)
        return MISS if entry is None else entry.value

    def cached_load(self, key: str, kind: type[T]) -> T | Literal[Miss.MISS] | None:
        """`load` from the cache alone, or `MISS`."""
        cache = (self._open or self._unsealed()).cache
        entry = cache.get(key)
        if entry is None:
            return MISS
        if entry.kind is kind:
            value: T = entry.decoded
            return value
        return decode_entry(cache, key, entry, kind)

    async def get(self, key: str) -> bytes | None:
        """The plaintext of a key, None when there is none; does not suspend on a hit.

        Raises `CorruptEntry` when the entry was damaged or moved here.
        """
        open_ = self._open or self._unsealed()
        entry = open_.cache.get(key)
        return entry.value if entry is not None else (await self._fill(open_, key)).value

    async def load(self, key: str, kind: type[T]) -> T | None:
        """The struct stored under a key as JSON, None when there is none.

        It is decoded once and the same object is returned to all: it must not be changed. Raises `CorruptEntry` also
        when the entry does not decode.
        """
        open_ = self._open or self._unsealed()
        entry = open_.cache.get(key)
        if entry is None:
            entry = await self._fill(open_, key)
        if entry.kind is kind:
            value: T = entry.decoded
            return value
        return decode_entry(open_.cache, key, entry, kind)

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """See `Storage.list`."""
        self._unsealed()
        return await self.storage.list(prefix, after, limit)

    async def scan(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """All entries beneath `prefix`, decrypted, past the cache; `prefix` must not reach the unencrypted ones."""
        open_ = self._unsealed()
        async for key, entry in self.storage.scan(prefix):
            yield key, _decrypt(open_.keyring, key, entry)

    # -- Writing ----------------------------------------------------------------------------------------------------

    async def commit(self, batch: Batch) -> None:
        """Encrypt the batch's values and commit it, with the barrier's fence; raises as `Storage.commit`."""
        open_ = self._unsealed()
        puts = batch.puts
        _check_reserved(batch)
        if sum(map(len, puts.values())) > THREAD_BYTES:
            entries = await asyncio.to_thread(_encrypt_all, open_.keyring, puts)
        else:
            entries = _encrypt_all(open_.keyring, puts)
        open_.cache.begin(batch)
        committed = False
        try:
            await self.storage.commit(Batch(entries, batch.deletes, batch.delete_prefixes, self.fence))
            committed = True
        finally:
            open_.cache.finish(batch, committed)
            for key in (*puts, *batch.deletes, *batch.delete_prefixes):
                self._tell(key)

    def invalidate(self, key: str) -> None:
        """Forget what is cached of a key that another process has written; with a trailing `/`, of all beneath it.

        After `KEYRING_KEY` call `reload` too.
        """
        if self._open is not None:
            self._open.cache.forget(key)
        self._tell(key)

    def subscribe(self, prefix: str, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener` with every committed or invalidated key that starts with `prefix`; returns the way out.

        A key with a trailing `/` (or the empty one) means that everything beneath it may have changed. Keys of commits
        with unknown outcome are told as well.
        """
        row = (prefix, listener)
        self._listeners.append(row)
        self._told = tuple({prefix for prefix, _ in self._listeners})
        return lambda: self._forget(row)

    # -- Outside storage --------------------------------------------------------------------------------------------

    def encrypt_blob(self, context: str, data: bytes) -> bytes:
        """Encrypt what is kept outside storage, such as a batch token, bound to its context."""
        return self._unsealed().keyring.encrypt(data, context.encode(), USE_BLOB)

    def decrypt_blob(self, context: str, blob: bytes) -> bytes:
        """What `encrypt_blob` was given; raises `CryptoError` for anything else."""
        return self._unsealed().keyring.decrypt(blob, context.encode(), USE_BLOB)

    # -- Within -----------------------------------------------------------------------------------------------------

    def _unsealed(self) -> _Open:
        if self._open is None:
            raise Sealed
        return self._open

    async def _fill(self, open_: _Open, key: str) -> Entry:
        check_key(key)
        cache = open_.cache
        token = cache.begin_fill(key)
        try:
            raw = await self.storage.get(key)
        finally:
            current = cache.end_fill(key, token)
        if raw is None:
            value = None
        elif len(raw) > THREAD_BYTES:
            # Suspends, so a commit may come between: this value stays out of the cache.
            return Entry(await asyncio.to_thread(_decrypt, open_.keyring, key, raw))
        else:
            value = _decrypt(open_.keyring, key, raw)
        return cache.put(key, value) if current else Entry(value)

    def _forget(self, row: tuple[str, Callable[[str], None]]) -> None:
        self._listeners.remove(row)
        self._told = tuple({prefix for prefix, _ in self._listeners})

    def _tell(self, key: str) -> None:
        folder = not key or key[-1] == "/"
        if not folder and not key.startswith(self._told):
            return  # as most keys are: nobody's
        for prefix, listener in self._listeners:
            if key.startswith(prefix) or (folder and prefix.startswith(key)):
                listener(key)

    async def _rotate(self) -> int:
        async with self._keyring_lock:
            open_ = self._unsealed()
            keyring = open_.keyring.rotated(self._clock.now_ns())
            await self._write_keyring(keyring, open_.root_key)
            # Only now: nothing may be encrypted under a term that a crash could lose.
            open_.keyring, open_.saved = keyring, keyring.active.encryptions
            return keyring.active.number

    async def _rekey(self, root_key: bytes, beside: Mapping[str, bytes] | None) -> None:
        async with self._keyring_lock:
            open_ = self._unsealed()
            count = open_.keyring.active.encryptions
            await self._write_keyring(open_.keyring, root_key, beside)
            open_.root_key, open_.saved = root_key, count

    async def _to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        # A caller that is cancelled must not leave the keyring in memory unlike the one in storage.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _read_keyring(self, root_key: bytes) -> Keyring:
        sealed = await self.storage.get(KEYRING_KEY)
        if sealed is None:
            raise StorageError("there is no keyring: the storage is not initialised")
        return Keyring.open(root_key, sealed, KEYRING_KEY.encode())

    async def _write_keyring(
        self, keyring: Keyring, root_key: bytes, beside: Mapping[str, bytes] | None = None
    ) -> None:
        sealed = keyring.seal(root_key, KEYRING_KEY.encode())
        await self.storage.commit(Batch({KEYRING_KEY: sealed, **(beside or {})}, fence=self.fence))


def _check_reserved(batch: Batch) -> None:
    prefixes = tuple(batch.delete_prefixes)
    for key in _RESERVED:
        if key in batch.puts or key in batch.deletes or (prefixes and key.startswith(prefixes)):
            raise StorageError("the keyring and the fence are not entries of the barrier")


def _encrypt_all(keyring: Keyring, puts: Mapping[str, bytes]) -> dict[str, bytes]:
    encrypt = keyring.encrypt
    return {key: encrypt(value, key.encode()) for key, value in puts.items()}


def _decrypt(keyring: Keyring, key: str, entry: bytes) -> bytes:
    try:
        return keyring.decrypt(entry, key.encode())
    except CryptoError as error:
        raise CorruptEntry(f"the entry {key} does not decrypt: {error}") from None
