"""Files under a data key: a stream of chunks in bounded memory, whose end is authenticated too.

    18 bytes    "strongroom-file/1\\n"
     4 bytes    length of what follows, big-endian, at most 65,536
     ...        the data key as transit wrapped it ("vault:v1:..."), UTF-8
    16 bytes    salt
     ...        chunks: 65,536 bytes of plaintext each (the last one fewer, and none only in an empty file), in
                AES-256-GCM with its tag of 16 bytes

The key of the chunks is HKDF-SHA256 of the data key, with the salt, and the first line as info: it belongs to one file
alone, so nonces may count. A chunk's nonce is its number in 11 bytes, big-endian, and a byte that is 1 for the last
chunk and else 0: chunks cannot be reordered, left out, or cut off at the end (the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizar, as age uses it). The wrapped data key is outside of that, so that it can be rewrapped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.crypto.kdf import hkdf_sha256
from strongroom.errors import CryptoError

MAGIC: Final = b"strongroom-file/1\n"
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
CHUNK_BYTES: Final = 65_536
MOST_WRAPPED: Final = 65_536

Progress = Callable[[int], None]


def write_header(target: IO[bytes], wrapped: str) -> None:
    """Write what stands before the salt."""
    text = wrapped.encode()
    if not 0 < len(text) <= MOST_WRAPPED:
        raise CryptoError("the wrapped data key is too long")
    target.write(MAGIC + len(text).to_bytes(4, "big") + text)


def read_header(source: IO[bytes]) -> str:
    """The wrapped data key; leaves the file at the salt. Raises `CryptoError` for another kind of file."""
    if _exactly(source, len(MAGIC)) != MAGIC:
        raise CryptoError("this is no file that was encrypted by strongroom transit encrypt-file")
    length = int.from_bytes(_exactly(source, 4), "big")
    if not 0 < length <= MOST_WRAPPED:
        raise CryptoError("the file's header is damaged")
    text = _exactly(source, length)
    try:
        return text.decode("ascii")
    except UnicodeDecodeError:
        raise CryptoError("the file's header is damaged") from None


def encrypt(source: IO[bytes], target: IO[bytes], key: bytes, progress: Progress = lambda _: None) -> None:
    """Encrypt all of `source` behind a header; `progress` hears of the plaintext's bytes."""
    salt = os.urandom(SALT_BYTES)
    cipher = _cipher(key, salt)
    target.write(salt)
    done = 0
    for number, chunk, last in _chunks(source, CHUNK_BYTES):
        target.write(cipher.encrypt(_nonce(number, last), chunk, None))
        done += len(chunk)
        progress(done)


def decrypt(source: IO[bytes], target: IO[bytes], key: bytes, progress: Progress = lambda _: None) -> None:
    """Decrypt what stands behind a header. Each chunk is written only once it is known to be good.

    Raises:
        CryptoError: the key is another, or the file was changed or cut off; what was written is its true beginning.
    """
    cipher = _cipher(key, _exactly(source, SALT_BYTES))
    done = 0
    for number, box, last in _chunks(source, CHUNK_BYTES + TAG_BYTES):
        try:
            chunk = cipher.decrypt(_nonce(number, last), box, None)
        except InvalidTag:
            raise CryptoError("the file was changed or cut off, or belongs to another key") from None
        if number and not chunk:
            raise CryptoError("the file does not end as it should")
        target.write(chunk)
        done += len(chunk)
        progress(done)


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise CryptoError(f"a data key has {KEY_BYTES} bytes")
    return AESGCM(hkdf_sha256(key, KEY_BYTES, salt=salt, info=MAGIC))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunks(source: IO[bytes], size: int) -> Iterator[tuple[int, bytes, bool]]:
    """The file in pieces with their numbers; the last is known by looking one ahead."""
    number, chunk = 0, _up_to(source, size)
    while True:
        following = _up_to(source, size) if len(chunk) == size else b""
        yield number, chunk, not following
        if not following:
            return
        number, chunk = number + 1, following


def _up_to(source: IO[bytes], count: int) -> bytes:
    """So many bytes, fewer only at the end: pipes give what they have."""
    data = source.read(count)
    while len(data) < count:
        more = source.read(count - len(data))
        if not more:
            break
        data += more
    return data


def _exactly(source: IO[bytes], count: int) -> bytes:
    data = _up_to(source, count)
    if len(data) < count:
        raise CryptoError("the file is cut off")
    return data
