"""Tidying tokens: removing what points nowhere. Normal work leaves nothing of the kind; this is for the unforeseen."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from msgspec import json

from strongroom.core.slices import Slices
from strongroom.core.token_model import ACCESSOR, ID, PARENT, AccessorEntry, TokenEntry

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.token_revoke import Revocation
    from strongroom.core.token_store import TokenStore

log = logging.getLogger("strongroom.tokens")

PAGE: Final = 256

_decode_accessor = json.Decoder(AccessorEntry).decode
_decode_token = json.Decoder(TokenEntry).decode


async def tidy(live: Live, store: TokenStore, revocation: Revocation) -> None:
    """Go through accessors, links between parents and children, and tokens whose parent is gone."""
    accessors = await _accessors(live, store)
    links = await _links(live, store)
    strays = await _strays(live, store, revocation)
    log.info("tidied tokens: removed %d accessors, %d links, %d tokens", accessors, links, strays)


async def _accessors(live: Live, store: TokenStore) -> int:
    removed = 0
    tx = live.transaction()
    slices = Slices()
    async for key, value in live.barrier.scan(ACCESSOR):
        await slices.end()
        if await store.get(_decode_accessor(value).key) is None:
            tx.delete(key)
            removed += 1
            if removed % PAGE == 0:
                await tx.commit()
    await tx.commit()
    return removed


async def _links(live: Live, store: TokenStore) -> int:
    removed = 0
    links: list[str] = []
    slices = Slices()
    async for key, _ in live.barrier.scan(PARENT):
        await slices.end()
        if await store.get(_child(key)) is None:
            links.append(key)
            if len(links) == PAGE:
                removed += await _remove_links(live, store, links)
    return removed + await _remove_links(live, store, links)


async def _remove_links(live: Live, store: TokenStore, links: list[str]) -> int:
    """Remove links, unless the child came (back) meanwhile: a chosen id may be used again."""
    async with AsyncExitStack() as stack:
        await store.hold(stack, [_child(key) for key in links])
        tx = live.transaction()
        gone = [key for key in links if await store.get(_child(key)) is None]
        for key in gone:
            tx.delete(key)
        await tx.commit()
    links.clear()
    return len(gone)


def _child(link: str) -> str:
    return link.rpartition("/")[2]


async def _strays(live: Live, store: TokenStore, revocation: Revocation) -> int:
    """Tokens whose parent is gone without having let them go."""
    removed = 0
    slices = Slices()
    async for _, value in live.barrier.scan(ID):
        await slices.end()
        entry = _decode_token(value)
        if entry.parent and not entry.revoked and await store.get(entry.parent) is None:
            await revocation.revoke(entry.key)
            removed += 1
    return removed
