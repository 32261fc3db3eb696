"""Snapshots: whole, or refused."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.core.seal_config import SEAL_CONFIG_KEY
from strongroom.core.snapshot import MAGIC, Reader, save
from strongroom.errors import BadRequest
from strongroom.storage.barrier import KEYRING_KEY
from strongroom.storage.base import FENCE_KEY, Batch
from strongroom.storage.memory import MemoryStorage

KEYS = {KEYRING_KEY: b"keyring", SEAL_CONFIG_KEY: b"config"}


def snapshot(entries: dict[str, bytes]) -> bytes:
    async def run() -> bytes:
        storage = MemoryStorage()
        await storage.commit(Batch(dict(entries)))
        return b"".join([chunk async for chunk in save(storage)])

    return asyncio.run(run())


def restored(file: bytes, step: int = 1 << 16) -> dict[str, bytes]:
    reader = Reader()
    for at in range(0, len(file), step):
        reader.feed(file[at : at + step])
    return reader.finish()


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.text("abc/é", min_size=1, max_size=8).map(lambda k: f"x/{k}/z"), st.binary(max_size=300)),
    st.integers(1, 500),
)
def test_what_is_saved_comes_back_however_it_is_cut_into_chunks(entries: dict[str, bytes], step: int) -> None:
    entries |= KEYS
    assert restored(snapshot(entries), step) == entries


def test_the_fence_stays_with_the_cluster_that_runs() -> None:
    assert FENCE_KEY not in restored(snapshot({**KEYS, FENCE_KEY: b"1"}))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_file_is_refused(data: st.DataObject) -> None:
    plain = bytearray(gzip.decompress(snapshot({**KEYS, "a/b": b"value" * 20})))
    at = data.draw(st.integers(0, len(plain) - 1))
    plain[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadRequest):
        restored(gzip.compress(bytes(plain)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_file_cut_short_is_refused(data: st.DataObject) -> None:
    file = snapshot({**KEYS, "a/b": b"value" * 20})
    with pytest.raises(BadRequest):
        restored(file[: data.draw(st.integers(0, len(file) - 1))])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_other_bytes_are_refused(noise: bytes, packed: bool) -> None:
    with pytest.raises(BadRequest):
        restored(gzip.compress(MAGIC + noise) if packed else noise)


def test_a_snapshot_without_keys_is_refused() -> None:
    with pytest.raises(BadRequest, match="no keys"):
        restored(snapshot({"a": b"1"}))
