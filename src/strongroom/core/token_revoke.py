"""Taking tokens down: the token, its descendants at any depth, their leases and cubbyholes.

Each step is a durable commit, and every state in between is one that the next start finishes by itself:

1. The token is marked: from now on it is no good, and it stands in the expiry index as due now.
2. Its children are marked likewise, a page at a time, each page in one commit with their links to it.
   (A token revoked "and orphan" lets its children go instead.)
3. Its leases are handed to the expiration as due now.
4. Its entry and indexes go, with its cubbyhole, in one commit.

A marked token that is still there after a crash is found in the expiry index like an expired one, and taken down from
step 2. No step recurses, and none holds more than some pages of keys in memory.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from strongroom.core.slices import Slices
from strongroom.core.token_model import ORPHAN, PARENT, TREE, TokenEntry
from strongroom.core.token_store import TokenStore

if TYPE_CHECKING:
    from strongroom.core.lease_index import Due
    from strongroom.core.live import Live

#: Children marked in one commit.
PAGE: Final = 256

#: Tokens removed in one commit.
CHUNK: Final = 64


class Revocation:
    """Takes tokens down."""

    def __init__(self, live: Live, store: TokenStore) -> None:
        self._live = live
        self._clock = live.clock
        self._store = store

    async def revoke(self, key: str, how: str = TREE) -> bool:
        """Take a token down, with its descendants or (`ORPHAN`) without; False when there is none.

        Everything is done when this returns, but for the token's leases, which the expiration revokes.
        """
        if await self._mark(key, how) is None and await self._store.get(key) is None:
            return False
        await self._fell([key])
        return True

    async def sweep(self, rows: list[Due]) -> None:
        """Take down the tokens of a page of the expiry index that have expired or were marked."""
        now = self._clock.now_ns()
        tx = self._live.transaction()
        keys = []
        slices = Slices()
        for row in rows:
            await slices.end()
            entry = await self._store.get(row.name)
            if entry is None or entry.index_ns != row.at_ns:
                tx.delete(row.key)  # nothing refers to it: harmless, but it would be read again for ever
            elif not entry.lives(now):
                keys.append(row.name)
        await tx.commit()
        await self._fell(keys)

    async def _mark(self, key: str, how: str) -> TokenEntry | None:
        now = self._clock.now_ns()
        return await self._store.update(key, lambda entry: _marked(entry, how, now))

    async def _fell(self, keys: list[str]) -> None:
        work = list(keys)
        while work:
            chunk = work[-CHUNK:]
            del work[-CHUNK:]
            childless = []
            slices = Slices()
            for key in chunk:
                await slices.end()
                children, more = await self._part_from_children(key)
                if more:
                    work.append(key)
                else:
                    childless.append(key)
                work.extend(children)
            await self._bury(childless)

    async def _part_from_children(self, key: str) -> tuple[list[str], bool]:
        """Mark (or let go) a page of children; returns those to take down, and whether there are more."""
        await self._store.gate.empty(key)
        children = await self._store.children(key, limit=PAGE)
        if not children:
            return [], False
        parent = await self._store.get(key)
        let_go = parent is not None and parent.revoked == ORPHAN
        now = self._clock.now_ns()
        doomed = []
        async with AsyncExitStack() as stack:
            await self._store.hold(stack, children)
            tx = self._live.transaction()
            for child in children:
                tx.delete(f"{PARENT}{key}/{child}")
                entry = await self._store.get(child)
                if entry is None:
                    continue
                if let_go and not entry.revoked:
                    self._store.put(tx, entry, replace(entry, parent=""))
                else:
                    doomed.append(child)
                    self._store.put(tx, entry, replace(_marked(entry, TREE, now) or entry, parent=""))
            await tx.commit()
        return doomed, len(children) == PAGE

    async def _bury(self, keys: list[str]) -> None:
        slices = Slices()
        for key in keys:
            await slices.end()
            await self._live.leases.release(key)
        now = self._clock.now_ns()
        async with AsyncExitStack() as stack:
            await self._store.hold(stack, keys)
            tx = self._live.transaction()
            for key in keys:
                await slices.end()
                entry = await self._store.get(key)
                if entry is not None and not entry.lives(now):
                    await self._store.erase(tx, entry)
            await tx.commit()


def _marked(entry: TokenEntry, how: str, now: int) -> TokenEntry | None:
    return None if entry.revoked else replace(entry, revoked=how, due_ns=min(now, entry.expire_ns or now))
