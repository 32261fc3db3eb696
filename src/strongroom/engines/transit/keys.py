"""Keys: making, reading, listing, configuring, rotating, trimming and deleting them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Duration, Name
from strongroom.engines.transit import lifecycle
from strongroom.engines.transit.algorithms import DEFAULT, Algorithm, named
from strongroom.engines.transit.encoding import decode_context
from strongroom.engines.transit.engine import existing, find_locked, save, transit, usable
from strongroom.engines.transit.model import HMAC_KEY_BYTES, Key, key_path
from strongroom.engines.transit.symmetric import LEAST_BYTES, MOST_BYTES
from strongroom.engines.transit.view import view
from strongroom.errors import BadRequest, NotFound


class KeyArgs(Args):
    """A key."""

    name: Name = field("The key's name.")


class ListArgs(Args):
    """Which part of the names."""

    after: str = field("Only names that come after this one.")
    limit: int = field("At most this many names; 0 for all.")


class ReadArgs(KeyArgs):
    """A key, seen for a context."""

    context: str = field("For a derived Ed25519 key, the context (base64) whose public keys to show.")


class CreateArgs(KeyArgs):
    """A new key."""

    type: str = field("The type of key.", default=DEFAULT)
    derived: bool = field("Whether each context has a key of its own, derived from this one.")
    convergent_encryption: bool = field("Whether equal plaintexts in a context have equal ciphertexts.")
    exportable: bool = field("Whether the key can be exported; never switched off again.")
    allow_plaintext_backup: bool = field("Whether the key can be backed up; never switched off again.")
    auto_rotate_period: Duration = field("Rotate when the latest version is so old; 0 for never.")
    key_size: int = field("Bytes of an `hmac` key, 32 to 512.")
    parameter_set: str = field("For `ml-dsa` keys: 44, 65 or 87.")


class ConfigArgs(KeyArgs):
    """Settings of a key; what is not named stays."""

    min_decryption_version: int | None = field("The oldest version that decrypts and verifies.")
    min_encryption_version: int | None = field("The oldest version that encrypts and signs; 0 for no limit.")
    deletion_allowed: bool | None = field("Whether the key may be deleted.")
    exportable: bool | None = field("Whether the key can be exported; never switched off again.")
    allow_plaintext_backup: bool | None = field("Whether the key can be backed up; never switched off again.")
    auto_rotate_period: Duration | None = field("Rotate when the latest version is so old; 0 for never.")


class TrimArgs(KeyArgs):
    """Where to cut."""

    min_available_version: int | None = field("The oldest version to keep.", required="missing min_available_version")


def algorithm_of(type_: str, parameter_set: str = "") -> Algorithm:
    """The row of a type; raises `BadRequest`."""
    found = named(type_, parameter_set)
    if found is None:
        raise BadRequest(f"unknown key type {type_[:32]}")
    return found


@transit.list("keys")
async def list_keys(ctx: Context, args: ListArgs) -> dict[str, Any]:
    """The names of all keys."""
    names = await ctx.storage.list("key/", args.after, max(args.limit, 0))
    if not names:
        raise NotFound
    return {"keys": names}


@transit.write("keys/{name}")
async def create_key(ctx: Context, args: CreateArgs) -> dict[str, Any]:
    """Make a key.

    A key of the name that exists stays as it is.
    """
    algorithm = algorithm_of(args.type, args.parameter_set)
    lifecycle.check_rotation_period(args.auto_rotate_period)
    lifecycle.check_derivation(algorithm, derived=args.derived, convergent=args.convergent_encryption)
    _check_key_size(algorithm, args.key_size)
    key = await find_locked(ctx, args.name)
    if key is None:
        key = lifecycle.empty(args.name, algorithm, derived=args.derived, convergent=args.convergent_encryption)
        key = replace(
            key,
            exportable=args.exportable,
            plaintext_backup=args.allow_plaintext_backup,
            auto_rotate_period=args.auto_rotate_period,
            key_size=(args.key_size or HMAC_KEY_BYTES) if algorithm.mac_only else 0,
        )
        key = save(ctx, await lifecycle.rotated(key, ctx.clock.now_ns()))
    return view(key)


def _check_key_size(algorithm: Algorithm, size: int) -> None:
    if size and not algorithm.mac_only:
        raise BadRequest(f"key_size is not valid for algorithm {algorithm.type}")
    if size and not LEAST_BYTES <= size <= MOST_BYTES:
        raise BadRequest(f"invalid key_size {size}")


@transit.read("keys/{name}")
async def read_key(ctx: Context, args: ReadArgs) -> dict[str, Any]:
    """What a key is and can do; never its material."""
    context = decode_context(args.context) if args.context else b""
    return view(await existing(ctx, args.name), context)


@transit.delete("keys/{name}")
async def delete_key(ctx: Context, args: KeyArgs) -> None:
    """Delete a key for good, if its settings allow that."""
    key = await find_locked(ctx, args.name)
    refusal = f"error deleting policy {args.name}: "
    if key is None:
        raise BadRequest(refusal + "could not delete key; not found")
    if not key.deletion_allowed:
        raise BadRequest(refusal + "deletion is not allowed for this key")
    ctx.storage.delete(key_path(args.name))


@transit.write("keys/{name}/config")
async def configure_key(ctx: Context, args: ConfigArgs) -> dict[str, Any]:
    """Change a key's settings; a refused request changes none of them."""
    key = await find_locked(ctx, args.name)
    if key is None:
        raise BadRequest(f"no existing key named {args.name} could be found")
    changed = _configured(ctx, key, args)
    lifecycle.check_limits(changed)
    return view(save(ctx, changed))


def _configured(ctx: Context, key: Key, args: ConfigArgs) -> Key:
    if args.min_decryption_version is not None:
        least = _limit("decryption", args.min_decryption_version, key)
        if least == 0:
            least = 1
            ctx.warn("since Vault 0.3, transit key numbering starts at 1; forcing minimum to 1")
        key = replace(key, min_decryption=least)
    if args.min_encryption_version is not None:
        key = replace(key, min_encryption=_limit("encryption", args.min_encryption_version, key))
    if args.deletion_allowed is not None:
        key = replace(key, deletion_allowed=args.deletion_allowed)
    if args.auto_rotate_period is not None:
        lifecycle.check_rotation_period(args.auto_rotate_period)
        if key.imported and not key.allow_rotation and args.auto_rotate_period:
            raise BadRequest("auto rotate period cannot be set on an imported key that does not allow rotation")
        key = replace(key, auto_rotate_period=args.auto_rotate_period)
    return replace(
        key,
        exportable=key.exportable or bool(args.exportable),
        plaintext_backup=key.plaintext_backup or bool(args.allow_plaintext_backup),
    )


def _limit(what: str, version: int, key: Key) -> int:
    if version < 0:
        raise BadRequest(f"min {what} version cannot be negative")
    if version > key.latest:
        raise BadRequest(f"cannot set min {what} version of {version}, latest key version is {key.latest}")
    return version


@transit.write("keys/{name}/rotate")
async def rotate_key(ctx: Context, args: KeyArgs) -> dict[str, Any]:
    """Make a new latest version; the older ones go on decrypting and verifying."""
    key = await find_locked(ctx, args.name)
    if key is None:
        raise BadRequest("key not found")
    return view(save(ctx, await lifecycle.rotated(key, ctx.clock.now_ns())))


@transit.write("keys/{name}/trim")
async def trim_key(ctx: Context, args: TrimArgs) -> dict[str, Any]:
    """Forget the oldest versions for good; nothing may decrypt or encrypt with them any more."""
    key = await find_locked(ctx, args.name)
    if key is None:
        raise BadRequest("invalid key name")
    if args.min_available_version is None:
        raise BadRequest("missing min_available_version")
    return view(save(ctx, lifecycle.trimmed(key, args.min_available_version)))


@transit.delete("keys/{name}/soft-delete")
async def soft_delete_key(ctx: Context, args: KeyArgs) -> dict[str, Any]:
    """Refuse all work of a key, until it is restored."""
    key = usable(await find_locked(ctx, args.name), "key not found")
    return view(save(ctx, replace(key, soft_deleted=True)))


@transit.write("keys/{name}/soft-delete-restore")
async def restore_soft_deleted_key(ctx: Context, args: KeyArgs) -> dict[str, Any]:
    """Let a softly deleted key work again."""
    key = await find_locked(ctx, args.name)
    if key is None:
        raise BadRequest("key not found")
    return view(save(ctx, replace(key, soft_deleted=False)))
