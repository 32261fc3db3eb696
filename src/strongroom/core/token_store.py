"""Reading and writing token entries with all their indexes; see core/token_model.py for the layout."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from msgspec import json
from msgspec.structs import replace

from strongroom.clock import random_text
from strongroom.core import lease_index, token_batch
from strongroom.core.lease_model import ID as LEASE_ID
from strongroom.core.lease_model import TOKEN_KIND, LeaseEntry
from strongroom.core.token_gate import Gate
from strongroom.core.token_model import (
    ACCESSOR,
    BATCH_PREFIX,
    ID,
    ID_LENGTH,
    MAX_TOKEN_CHARS,
    PARENT,
    SALT,
    SERVICE_PREFIX,
    AccessorEntry,
    Hasher,
    Salt,
    TokenEntry,
)
from strongroom.memo import remember
from strongroom.storage.barrier import Miss

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

#: A cubbyhole with no more names than this, and no folders, is emptied name by name.
SMALL_CUBBYHOLE: Final = 32
#: For how many tokens it is remembered where their entries lie.
KEYS: Final = 1024

_decode_accessor = json.Decoder(AccessorEntry).decode


def lock_name(key: str) -> str:
    """The lock under which a token's entry is changed."""
    return f"token/{key}"


class TokenStore:
    """Token entries. Each change reads the entry anew under its lock and is its own durable commit."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._barrier = live.barrier
        self._clock = live.clock
        self._hasher = Hasher(b"")
        #: Where the entries of tokens lie that were looked up: hashing them costs more than all else here.
        self._keys: dict[str, str] = {}
        self.gate = Gate()

    async def load(self) -> None:
        """Read the salt, or make it the first time."""
        tx = self._live.transaction()
        salt = await tx.load(SALT, Salt)
        if salt is None:
            salt = Salt(secrets.token_bytes(32))
            tx.store(SALT, salt)
            await tx.commit()
        self._hasher = Hasher(salt.salt)

    # -- Reading ----------------------------------------------------------------------------------------------------

    def key_of(self, token: str) -> str:
        """The key of a token's entry."""
        return self._hasher.token(token)

    async def get(self, key: str) -> TokenEntry | None:
        """The entry under a key, whatever its state."""
        return await self._barrier.load(ID + key, TokenEntry)

    async def lookup(self, token: str) -> TokenEntry | None:
        """The entry of a token that lives; None for an unknown, expired, revoked or spent one.

        With the entry in the barrier's cache nothing suspends.
        """
        if token.startswith(BATCH_PREFIX):
            return await self._lookup_batch(token)
        if not token or len(token) > MAX_TOKEN_CHARS:
            return None
        key = self._keys.get(token) or ID + self._hasher.token(token)
        known = self._barrier.cached_load(key, TokenEntry)
        entry = await self._barrier.load(key, TokenEntry) if isinstance(known, Miss) else known
        if entry is None or entry.num_uses < 0 or not entry.lives(self._clock.now_ns()):
            return None
        if token not in self._keys:
            # Only those that are real: whoever guesses must not push them out.
            remember(self._keys, token, key, KEYS)
        return entry

    async def _lookup_batch(self, token: str) -> TokenEntry | None:
        entry = token_batch.unseal(self._barrier, self._hasher, token)
        if entry is None or not entry.lives(self._clock.now_ns()):
            return None
        return entry if not entry.parent or await self.living(entry.parent) is not None else None

    async def living(self, key: str) -> TokenEntry | None:
        """The entry under a key if it is neither expired nor revoked; one in its last use counts as alive."""
        entry = await self.get(key)
        return entry if entry is not None and entry.lives(self._clock.now_ns()) else None

    async def by_accessor(self, accessor: str) -> TokenEntry | None:
        """The entry that an accessor stands for, as `lookup` would give it."""
        if not accessor or len(accessor) > MAX_TOKEN_CHARS:
            return None
        found = await self._barrier.load(ACCESSOR + self._hasher.accessor(accessor), AccessorEntry)
        if found is None:
            return None
        entry = await self.living(found.key)
        return entry if entry is not None and entry.num_uses >= 0 else None

    async def accessors(self) -> AsyncIterator[AccessorEntry]:
        """All accessors, streamed from storage."""
        async for _, value in self._barrier.scan(ACCESSOR):
            yield _decode_accessor(value)

    async def children(self, key: str, after: str = "", limit: int = 0) -> list[str]:
        """The keys of a token's children."""
        return await self._barrier.list(f"{PARENT}{key}/", after, limit)

    # -- Writing ----------------------------------------------------------------------------------------------------

    def issue(self, tx: Transaction, draft: TokenEntry, token: str = "") -> tuple[str, TokenEntry]:
        """Write a new token in a transaction, under the id `token` or a random one; returns it and its entry.

        A batch token is made of its entry and written nowhere.
        """
        if draft.batch:
            token = token_batch.seal(self._barrier, draft)
            return token, replace(draft, key=self.key_of(token), accessor="")
        token = token or SERVICE_PREFIX + random_text(ID_LENGTH)
        entry = replace(draft, key=self.key_of(token), accessor=random_text(ID_LENGTH))
        tx.store(ACCESSOR + self._hasher.accessor(entry.accessor), AccessorEntry(entry.accessor, entry.key))
        tx.store(LEASE_ID + entry.lease_id, LeaseEntry(id=entry.lease_id, kind=TOKEN_KIND, token=entry.key))
        if entry.parent:
            tx.put(f"{PARENT}{entry.parent}/{entry.key}", b"")
        self.put(tx, None, entry)
        return token, entry

    @staticmethod
    def put(tx: Transaction, old: TokenEntry | None, new: TokenEntry) -> None:
        """Write an entry and its place in the expiry index."""
        tx.store(ID + new.key, new)
        lease_index.move(tx, lease_index.TOKEN, new.key, old.index_ns if old else 0, new.index_ns)

    async def erase(self, tx: Transaction, entry: TokenEntry) -> None:
        """Remove an entry, all that points to it, and the token's cubbyhole."""
        await self._empty_cubbyhole(tx, entry.key)
        tx.delete(ID + entry.key)
        tx.delete(ACCESSOR + self._hasher.accessor(entry.accessor))
        tx.delete(LEASE_ID + entry.lease_id)
        lease_index.move(tx, lease_index.TOKEN, entry.key, entry.index_ns, 0)
        if entry.parent:
            tx.delete(f"{PARENT}{entry.parent}/{entry.key}")

    async def _empty_cubbyhole(self, tx: Transaction, key: str) -> None:
        # Most are empty or hold a wrapped answer; deleting a whole folder has every cache look through all its keys.
        folder = self._live.cubbyhole(key)
        names = await self._barrier.list(folder, "", SMALL_CUBBYHOLE + 1)
        if len(names) > SMALL_CUBBYHOLE or any(name.endswith("/") for name in names):
            tx.delete_prefix(folder)
        else:
            for name in names:
                tx.delete(folder + name)

    async def update(self, key: str, change: Callable[[TokenEntry], TokenEntry | None]) -> TokenEntry | None:
        """Change an entry durably; None, and nothing done, when there is none or `change` gives None."""
        async with self._live.locks.hold(lock_name(key)):
            entry = await self.get(key)
            new = change(entry) if entry is not None else None
            if new is None:
                return None
            tx = self._live.transaction()
            self.put(tx, entry, new)
            await tx.commit()
            return new

    async def hold(self, stack: AsyncExitStack, keys: list[str]) -> None:
        """Take the locks of several tokens, in the one order that cannot deadlock."""
        for key in sorted(set(keys)):
            await stack.enter_async_context(self._live.locks.hold(lock_name(key)))
