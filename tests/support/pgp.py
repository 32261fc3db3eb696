"""OpenPGP keys and what is encrypted for them."""

from __future__ import annotations

import base64
import functools

import pysequoia


def private_key(name: str = "ann", *, validity: int | None = None) -> pysequoia.Tsk:
    return _made(name, validity)


@functools.cache
def _made(name: str, validity: int | None) -> pysequoia.Tsk:
    return pysequoia.Tsk.generate(user_id=f"{name} <{name}@example.com>", validity_seconds=validity)


def public_bytes(name: str = "ann") -> bytes:
    return bytes(private_key(name).extract_certificate())


def public_key(name: str = "ann") -> str:
    """As the API takes it."""
    return base64.b64encode(public_bytes(name)).decode()


def fingerprint(name: str = "ann") -> str:
    return private_key(name).extract_certificate().fingerprint


def decrypted(message: bytes, name: str = "ann") -> bytes:
    plain = pysequoia.decrypt(message, private_key(name).decryptor()).bytes
    assert plain is not None
    return plain
