"""The wrapping key: RSA-OAEP around a random AES key, and that in AES-KWP (RFC 5649) around the key handed over.

512 bytes           RSA-4096-OAEP of a 256-bit AES key
the rest            AES-KWP under it: PKCS#8 (DER) of an asymmetric key, the bare bytes of a symmetric one
"""

from __future__ import annotations

import asyncio
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from strongroom.api.context import Context
from strongroom.engines.transit import encoding, keypairs
from strongroom.engines.transit.encoding import InvalidBase64
from strongroom.engines.transit.engine import transit
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import WRAPPING_KEY, WrappingKey
from strongroom.errors import BadRequest

BITS = 4096
BOX_BYTES = BITS // 8

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA1": hashes.SHA1(),  # noqa: S303 - some hardware modules know no other for OAEP, where it is sound
    "SHA224": hashes.SHA224(),
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


def oaep_hash(name: str) -> hashes.HashAlgorithm:
    """The hash of that name; raises `BadRequest`."""
    found = _HASHES.get(name.upper().replace("-", ""))
    if found is None:
        raise BadRequest(f"unknown hash function: {name[:32]}")
    return found


def wrap(key: bytes, material: bytes) -> bytes:
    """AES-KWP."""
    return aes_key_wrap_with_padding(key, material)


def unwrap(key: bytes, box: bytes) -> bytes:
    """The material of `wrap`; raises `Failed`."""
    try:
        return aes_key_unwrap_with_padding(key, box)
    except (InvalidUnwrap, ValueError):
        raise Failed("the imported key does not unwrap") from None


def decode_box(text: str) -> bytes:
    """What a client hands over as `ciphertext`; raises `Failed`."""
    try:
        box = encoding.decode(text)
    except InvalidBase64 as e:
        raise Failed(str(e)) from None
    if len(box) <= BOX_BYTES:
        raise Failed("provided ciphertext is too short")
    return box


async def open_box(ctx: Context, box: bytes, digest: hashes.HashAlgorithm) -> bytes:
    """The key material of a box made for this mount's wrapping key; raises `Failed`."""
    stored = await ctx.storage.load(WRAPPING_KEY, WrappingKey)
    if stored is None:
        raise Failed("crypto/rsa: decryption error")  # nobody can have encrypted for a key that there is not
    return await asyncio.to_thread(_open, stored.secret, box, digest)


def _open(secret: bytes, box: bytes, digest: hashes.HashAlgorithm) -> bytes:
    private = keypairs.load_private(secret)
    try:
        ephemeral = private.decrypt(box[:BOX_BYTES], padding.OAEP(padding.MGF1(digest), digest, None))
    except ValueError:
        raise Failed("crypto/rsa: decryption error") from None
    return unwrap(ephemeral, box[BOX_BYTES:])


@transit.read("wrapping_key")
async def read_wrapping_key(ctx: Context) -> dict[str, Any]:
    """The public key under which keys are handed over for import; made at its first use."""
    stored = await ctx.storage.load(WRAPPING_KEY, WrappingKey)
    if stored is None:
        await ctx.lock("wrapping-key", "")
        stored = await ctx.storage.load(WRAPPING_KEY, WrappingKey)
    if stored is None:
        private = await asyncio.to_thread(rsa.generate_private_key, 65537, BITS)
        stored = WrappingKey(keypairs.pkcs8(private))
        ctx.storage.store(WRAPPING_KEY, stored)
    public = keypairs.load_private(stored.secret).public_key()
    return {"public_key": keypairs.pem(keypairs.spki(public), "PUBLIC KEY")}
