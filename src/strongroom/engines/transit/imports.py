"""Bringing keys along: `import` for a new key, `import_version` for one more version of an imported one."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Duration, Name
from strongroom.engines.transit import lifecycle, wrapping
from strongroom.engines.transit.algorithms import ALGORITHMS, DEFAULT, Algorithm, named
from strongroom.engines.transit.engine import find_locked, save, transit
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import Key
from strongroom.errors import BadRequest


class _ImportArgs(Args):
    name: Name = field("The key's name.")
    ciphertext: str = field("The key, wrapped: RSA-OAEP of an AES key, then the key in AES-KWP; in base64.")
    public_key: str = field("A public key (PEM) in place of a private one.")
    hash_function: str = field("The hash of OAEP: SHA1, SHA224, SHA256, SHA384 or SHA512.", default="SHA256")


class ImportArgs(_ImportArgs):
    """A key made elsewhere."""

    type: str = field("The type of key.", default=DEFAULT)
    parameter_set: str = field("For `ml-dsa` keys: 44, 65 or 87.")
    allow_rotation: bool = field("Whether the key may be rotated here.")
    derived: bool = field("Whether each context has a key of its own, derived from this one.")
    convergent_encryption: bool = field("Refused: keys that others know are no good for it.")
    exportable: bool = field("Whether the key can be exported; never switched off again.")
    allow_plaintext_backup: bool = field("Whether the key can be backed up; never switched off again.")
    auto_rotate_period: Duration = field("Rotate when the latest version is so old; 0 for never.")


class ImportVersionArgs(_ImportArgs):
    """A version made elsewhere."""

    version: int = field("The version whose private key this is; 0 for the latest if it lacks one, else a new one.")


@transit.write("keys/{name}/import")
async def import_key(ctx: Context, args: ImportArgs) -> None:
    """Make a key from material made elsewhere."""
    algorithm = named(args.type, args.parameter_set)
    if algorithm is None:
        raise BadRequest(f"unknown key type: {args.type[:32]}")
    wrapping.oaep_hash(args.hash_function)
    if args.convergent_encryption:
        raise Failed("import cannot be used on keys with convergent encryption enabled")
    lifecycle.check_rotation_period(args.auto_rotate_period)
    if args.auto_rotate_period and not args.allow_rotation:
        raise Failed("allow_rotation must be set to true if auto-rotation is enabled")
    lifecycle.check_derivation(algorithm, derived=args.derived, convergent=False)
    if await find_locked(ctx, args.name) is not None:
        raise Failed(
            "the import path cannot be used with an existing key; use import-version to rotate an existing imported key"
        )
    secret, public = await _material(ctx, algorithm, args)
    key = replace(
        lifecycle.empty(args.name, algorithm, derived=args.derived, convergent=False),
        exportable=args.exportable,
        plaintext_backup=args.allow_plaintext_backup,
        auto_rotate_period=args.auto_rotate_period,
        key_size=len(secret) if algorithm.mac_only else 0,
        imported=True,
        allow_rotation=args.allow_rotation,
    )
    save(ctx, lifecycle.with_version(key, lifecycle.version_of(key, secret, public, ctx.clock.now_ns())))


@transit.write("keys/{name}/import_version")
async def import_version(ctx: Context, args: ImportVersionArgs) -> None:
    """Add a version to an imported key, or the private key to a version that has only a public one."""
    wrapping.oaep_hash(args.hash_function)
    key = await find_locked(ctx, args.name)
    if key is None:
        raise Failed(f"no key found with name {args.name}; to import a new key, use the import/ endpoint")
    if not key.imported:
        raise Failed("the import_version endpoint can only be used with an imported key")
    secret, public = await _material(ctx, ALGORITHMS[key.type], args)
    number = args.version
    if not number and secret and ALGORITHMS[key.type].asymmetric and not key.versions[key.latest].secret:
        number = key.latest
    if number:
        save(ctx, _completed(key, number, secret, public))
    else:
        version = lifecycle.version_of(key, secret, public, ctx.clock.now_ns())
        save(ctx, lifecycle.with_version(key, version))


def _completed(key: Key, number: int, secret: bytes, public: bytes) -> Key:
    version = key.versions.get(number)
    if version is None:
        raise Failed("no such key version")
    if version.secret or not secret:
        raise Failed("only a private key can be added, and only to a version that has none")
    if version.public != public:
        raise Failed("the private key does not belong to the public key of that version")
    return replace(key, versions={**key.versions, number: replace(version, secret=secret)})


async def _material(ctx: Context, algorithm: Algorithm, args: _ImportArgs) -> tuple[bytes, bytes]:
    """The secret and the public key that a request hands over, as they are stored; raises `Failed`."""
    if args.ciphertext and args.public_key:
        raise Failed("only one of 'ciphertext' and 'public_key' can be given")
    if not args.ciphertext:
        if not algorithm.asymmetric:
            raise Failed("provided type does not support public_key import")
        return b"", algorithm.family.accept_public(args.public_key)
    box = wrapping.decode_box(args.ciphertext)
    material = await wrapping.open_box(ctx, box, wrapping.oaep_hash(args.hash_function))
    return await asyncio.to_thread(_accept, algorithm, material)


def _accept(algorithm: Algorithm, material: bytes) -> tuple[bytes, bytes]:
    result: Any = algorithm.family.accept_private(material)
    return result[0], result[1]
