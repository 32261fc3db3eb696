"""Handing out key material, as text or under another key."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.engines.transit import encoding, keypairs, wrapping
from strongroom.engines.transit.algorithms import ALGORITHMS, Algorithm
from strongroom.engines.transit.engine import find, transit, usable
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import Key, Version
from strongroom.engines.transit.view import chain_text
from strongroom.errors import BadRequest, NotFound


class ExportArgs(Args):
    """What to export."""

    name: Name = field("The key's name.")
    kind: str = field("`encryption-key`, `signing-key`, `hmac-key`, `cmac-key`, `public-key` or `certificate-chain`.")
    version: str = field("One version, or `latest`; all by default.")


class ByokExportArgs(Args):
    """What to export, and for whom."""

    destination: Name = field("The key that holds the other side's wrapping key.")
    source: Name = field("The key to export.")
    version: str = field("One version, or `latest`; all by default.")
    hash: str = field("The hash of OAEP.", default="SHA256")


def _secret(algorithm: Algorithm, version: Version) -> str:
    if not version.secret:
        raise Failed("key version does not have a private part")
    return algorithm.family.private_text(version.secret)


def _encryption_key(algorithm: Algorithm, version: Version) -> str:
    if not algorithm.encrypts:
        raise BadRequest("encryption not supported for the key")
    return _secret(algorithm, version)


def _signing_key(algorithm: Algorithm, version: Version) -> str:
    if not algorithm.signs:
        raise BadRequest("signing not supported for the key")
    return _secret(algorithm, version)


def _hmac_key(algorithm: Algorithm, version: Version) -> str:
    return encoding.encode(version.hmac_key)


def _cmac_key(algorithm: Algorithm, version: Version) -> str:
    if not algorithm.cmacs:
        raise BadRequest("CMAC not supported for the key")
    return _secret(algorithm, version)


def _public_key(algorithm: Algorithm, version: Version) -> str:
    if not algorithm.asymmetric:
        raise Failed(f"unknown key type {algorithm.type} for export type public-key")
    return algorithm.family.public_export(version.public)


def _certificates(algorithm: Algorithm, version: Version) -> str:
    if not version.certificates:
        raise Failed("selected key version does not have a certificate chain imported")
    return chain_text(version)


#: By kind: how it is written, and whether it is public.
_KINDS: dict[str, tuple[Callable[[Algorithm, Version], str], bool]] = {
    "encryption-key": (_encryption_key, False),
    "signing-key": (_signing_key, False),
    "hmac-key": (_hmac_key, False),
    "cmac-key": (_cmac_key, False),
    "public-key": (_public_key, True),
    "certificate-chain": (_certificates, True),
}


async def export(ctx: Context, args: ExportArgs) -> dict[str, Any]:
    """Export key material, if the key is exportable; what is public is given to everybody."""
    if args.kind not in _KINDS:
        raise BadRequest(f"invalid export type: {args.kind[:32]}")
    write, public = _KINDS[args.kind]
    key = await find(ctx, args.name)
    if key is None:
        raise NotFound
    usable(key, "")
    if not public and not key.exportable:
        raise BadRequest("private key material is not exportable")
    algorithm = ALGORITHMS[key.type]
    write(algorithm, key.versions[key.latest])  # a kind that the key has not is refused whatever the version
    keys = {str(n): write(algorithm, key.versions[n]) for n in _versions(key, args.version)}
    return {"keys": keys, "name": key.name, "type": algorithm.type}


for _pattern in ("export/{kind:segment}/{name}", "export/{kind:segment}/{name}/{version:segment}"):
    transit.read(_pattern)(export)


def _versions(key: Key, wanted: str) -> list[int]:
    """The versions that are meant: all readable ones, the latest or one; raises `BadRequest`."""
    if not wanted:
        return key.readable
    if wanted == "latest":
        return [key.latest]
    digits = wanted.removeprefix("v")
    if not (digits.isascii() and digits.removeprefix("-").isdecimal() and len(digits) < 19):
        raise BadRequest("invalid key version")
    number = int(digits)
    if number < key.min_decryption:
        raise BadRequest("version for export is below minimum decryption version")
    if number not in key.versions:
        raise BadRequest("version does not exist or cannot be found")
    return [number]


async def byok_export(ctx: Context, args: ByokExportArgs) -> dict[str, Any]:
    """Export a key under a wrapping key that another server's `wrapping_key` gave out, for import there."""
    destination = await find(ctx, args.destination)
    if destination is None:
        raise Failed("no such destination key to export to")
    source = await find(ctx, args.source)
    if source is None:
        raise Failed("no such source key for export")
    usable(destination, "")
    if not usable(source, "").exportable:
        raise BadRequest("key is not exportable")
    algorithm = ALGORITHMS[destination.type]
    if not algorithm.name.startswith("rsa-"):
        raise Failed(f"message signing not supported for key type {algorithm.type}")
    digest = wrapping.oaep_hash(args.hash)
    public = destination.versions[destination.latest].public
    numbers = _versions(source, args.version)
    keys = await asyncio.to_thread(_wrapped, source, numbers, public, digest)
    return {"keys": keys, "name": source.name, "type": ALGORITHMS[source.type].type}


for _pattern in ("byok-export/{destination}/{source}", "byok-export/{destination}/{source}/{version:segment}"):
    transit.read(_pattern)(byok_export)


def _wrapped(source: Key, numbers: list[int], public: bytes, digest: hashes.HashAlgorithm) -> dict[str, str]:
    family = ALGORITHMS[source.type].family
    wrapper = keypairs.load_public(public)
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    keys = {}
    for number in numbers:
        version = source.versions[number]
        if not version.secret:
            raise Failed("key version does not have a private part")
        ephemeral = os.urandom(32)
        box = wrapper.encrypt(ephemeral, oaep) + wrapping.wrap(ephemeral, family.private_bytes(version.secret))
        keys[str(number)] = encoding.encode(box)
    return keys
