"""Snapshots: all of a storage, encrypted as it lies there, in one checksummed file.

The file is a gzip stream of

    "strongroom-snapshot 1\\n"
    for each entry, in byte order of the keys: length of the key and of the value (4 bytes each, big-endian), key, value
    0xFFFFFFFF (4), number of entries (8), SHA-256 of everything before it (32)

so that a file that was cut short, or changed, is recognised before anything is replaced. The entries are ciphertext but
for their keys; the file opens nothing without the unseal keys that were in force when it was made.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Final

from strongroom.core.seal_config import SEAL_CONFIG_KEY
from strongroom.errors import BadRequest
from strongroom.storage.barrier import KEYRING_KEY
from strongroom.storage.base import FENCE_KEY, MAX_KEY_BYTES, MAX_VALUE_BYTES, Storage

MAGIC: Final = b"strongroom-snapshot 1\n"
END: Final = 0xFFFFFFFF
CHUNK: Final = 1 << 16
_LENGTHS: Final = struct.Struct(">II")
_GZIP: Final = 31


async def save(storage: Storage) -> AsyncIterator[bytes]:
    """The storage as it is at this moment, in chunks of the file. Bounded memory, whatever its size."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    digest = hashlib.sha256()
    count = 0

    def pack(data: bytes) -> bytes:
        digest.update(data)
        return packer.compress(data)

    pending = pack(MAGIC)
    async for key, value in storage.scan(""):
        if key == FENCE_KEY:
            continue  # belongs to the cluster that runs now, not to its data
        name = key.encode()
        pending += pack(_LENGTHS.pack(len(name), len(value)) + name + value)
        count += 1
        if len(pending) >= CHUNK:
            yield pending
            pending = b""
    pending += pack(struct.pack(">IQ", END, count))
    yield pending + packer.compress(digest.digest()) + packer.flush()


class Reader:
    """Takes a snapshot's file in chunks; `finish` gives its entries once the whole of it has proved true."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(_GZIP)
        self._digest = hashlib.sha256()
        self._buffer = bytearray()
        self._begun = self._ended = False
        self._entries: dict[str, bytes] = {}

    def feed(self, chunk: bytes) -> None:
        """Take the next part of the file; raises `BadRequest` for what is no snapshot."""
        while chunk:
            try:
                # Bounded output: a small file must not unpack into all of the memory at once.
                self._buffer += self._unpacker.decompress(chunk, 16 * CHUNK)
            except zlib.error:
                raise BadRequest("failed to decompress snapshot: it is not a gzip file") from None
            chunk = self._unpacker.unconsumed_tail
            self._take()

    def finish(self) -> dict[str, bytes]:
        """All entries; raises `BadRequest` when the file is cut short or was changed."""
        if not self._ended or self._buffer or not self._unpacker.eof:
            raise BadRequest("the snapshot is cut short: nothing was restored")
        if KEYRING_KEY not in self._entries or SEAL_CONFIG_KEY not in self._entries:
            raise BadRequest("the snapshot holds no keys: nothing was restored")
        return self._entries

    def _take(self) -> None:
        buffer = self._buffer
        if not self._begun:
            if len(buffer) < len(MAGIC):
                return
            if not buffer.startswith(MAGIC):
                raise BadRequest("the file is not a snapshot of Strongroom, or of a newer release")
            self._begun = True
            self._consume(len(MAGIC))
        while not self._ended and len(buffer) >= _LENGTHS.size:
            key_length, value_length = _LENGTHS.unpack_from(buffer)
            if key_length == END:
                if len(buffer) >= 12 + hashlib.sha256().digest_size:
                    self._end()
                return
            if not 0 < key_length <= MAX_KEY_BYTES or value_length > MAX_VALUE_BYTES:
                raise BadRequest("the snapshot is damaged: nothing was restored")
            size = _LENGTHS.size + key_length + value_length
            if len(buffer) < size:
                return
            try:
                key = bytes(buffer[_LENGTHS.size : _LENGTHS.size + key_length]).decode()
            except UnicodeDecodeError:
                raise BadRequest("the snapshot is damaged: nothing was restored") from None
            self._entries[key] = bytes(buffer[_LENGTHS.size + key_length : size])
            self._consume(size)

    def _end(self) -> None:
        count = struct.unpack_from(">Q", self._buffer, 4)[0]
        self._consume(12)
        wanted = bytes(self._buffer[: self._digest.digest_size])
        if count != len(self._entries) or not hmac.compare_digest(wanted, self._digest.digest()):
            raise BadRequest("the snapshot is damaged: its checksum does not match; nothing was restored")
        del self._buffer[: self._digest.digest_size]
        self._ended = True

    def _consume(self, size: int) -> None:
        self._digest.update(memoryview(self._buffer)[:size])
        del self._buffer[:size]
