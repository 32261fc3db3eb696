"""identity/oidc/key: named keys, and their rotation."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Duration, Name
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import given, identity
from strongroom.identity.oidc_model import DAY, DEFAULT, KEY, LOCK, NamedKey, RingKey, load_key, refuse_in_use, roles_of
from strongroom.identity.oidc_provider_model import clients
from strongroom.identity.oidc_signing import ALGORITHMS, generate

NANO: Final = 1_000_000_000


class KeyName(Args):
    """Which key."""

    name: Name = field("The key.")


class KeyArgs(KeyName):
    """What a key is. What is not given stays as it is."""

    rotation_period: Duration = field("How long a signing key signs before the next one does.", default=DAY)
    verification_ttl: Duration = field("How long a signing key verifies after it has signed last.", default=DAY)
    algorithm: str = field(f"How it signs: {', '.join(ALGORITHMS)}.", default="RS256")
    allowed_client_ids: CommaList = field("The clients that tokens may be for; '*' for all.")


class RotateArgs(KeyName):
    """How a key is rotated."""

    verification_ttl: Duration = field("How long the signing key verifies from now on; the key's own without it.")


@identity.list("oidc/key")
async def list_keys(ctx: SystemContext) -> dict[str, Any]:
    """List the named keys."""
    return {"keys": sorted({DEFAULT, *await ctx.storage.list(KEY)})}


@identity.read("oidc/key/{name}")
async def read_key(ctx: SystemContext, args: KeyName) -> dict[str, Any]:
    """Read a named key, but not its signing keys."""
    key = await load_key(ctx, args.name)
    if key is None:
        raise NotFound
    return {
        "algorithm": key.algorithm,
        "allowed_client_ids": list(key.allowed_client_ids),
        "rotation_period": key.rotation_period,
        "verification_ttl": key.verification_ttl,
    }


@identity.write("oidc/key/{name}")
async def write_key(ctx: SystemContext, args: KeyArgs) -> None:
    """Create or change a named key."""
    await ctx.lock(LOCK, args.name)
    old = await load_key(ctx, args.name) or NamedKey(args.name)
    changes = given(args, "rotation_period", "verification_ttl", "algorithm")
    if "allowed_client_ids" in args.given:
        changes["allowed_client_ids"] = tuple(dict.fromkeys(args.allowed_client_ids))
    key = replace(old, **changes)
    if key.rotation_period < 60:
        raise BadRequest("rotation_period must be at least one minute")
    if key.verification_ttl > 10 * key.rotation_period:
        raise BadRequest("verification_ttl cannot be longer than 10x rotation_period")
    if key.algorithm not in ALGORITHMS:
        raise BadRequest(f'unknown signing algorithm "{key.algorithm}"')
    now = ctx.clock.now_ns()
    if key.ring and key.algorithm != old.algorithm:
        # The next token makes keys of the new kind; those of the old one verify for a while.
        key = replace(key, ring=_retired(key, now, key.verification_ttl), rotate_ns=0)
    elif key.ring:
        key = replace(key, rotate_ns=min(key.rotate_ns, now + key.rotation_period * NANO))
    ctx.storage.store(KEY + key.name, key)


@identity.delete("oidc/key/{name}")
async def delete_key(ctx: SystemContext, args: KeyName) -> None:
    """Delete a named key that neither a role nor a client uses."""
    if args.name == DEFAULT:
        raise BadRequest("deletion of the default key is not allowed")
    await ctx.lock(LOCK, args.name)
    refuse_in_use("key", args.name, "roles", [one.name for one in await roles_of(ctx) if one.key == args.name])
    refuse_in_use("key", args.name, "clients", [one.name for one in await clients(ctx) if one.key == args.name])
    ctx.storage.delete(KEY + args.name)


@identity.write("oidc/key/{name}/rotate")
async def rotate_key(ctx: SystemContext, args: RotateArgs) -> None:
    """Let the next signing key sign from now on."""
    await ctx.lock(LOCK, args.name)
    key = await load_key(ctx, args.name)
    if key is None:
        raise BadRequest(f'no named key found at "{args.name}"')
    ttl = args.verification_ttl if "verification_ttl" in args.given else key.verification_ttl
    ctx.storage.store(KEY + key.name, await _rotated(ctx, key, ttl))


async def signing(ctx: SystemContext, name: str) -> tuple[NamedKey, RingKey]:
    """The key of a name, which exists, with the one of its ring that signs now; rotated if that is due."""
    key = await load_key(ctx, name)
    if key is None or not _ready(ctx, key):
        await ctx.lock(LOCK, name)
        key = await load_key(ctx, name)
        if key is None:
            raise BadRequest(f'key "{name}" not found')
        if not _ready(ctx, key):
            key = await _rotated(ctx, key, key.verification_ttl)
            ctx.storage.store(KEY + key.name, key)
    return key, key.ring[0]


def _ready(ctx: SystemContext, key: NamedKey) -> bool:
    return bool(key.ring) and bool(key.ring[0].private) and ctx.clock.now_ns() < key.rotate_ns


async def _rotated(ctx: SystemContext, key: NamedKey, ttl: int) -> NamedKey:
    """The key with the next of its ring in front; the one that signed verifies for `ttl` seconds more."""
    now = ctx.clock.now_ns()
    waiting = [one for one in key.ring[1:2] if one.private]
    while len(waiting) < 2:
        waiting.append(await asyncio.to_thread(generate, key.algorithm))
    return replace(key, ring=(*waiting, *_retired(key, now, ttl)), rotate_ns=now + key.rotation_period * NANO)


def _retired(key: NamedKey, now_ns: int, ttl: int) -> tuple[RingKey, ...]:
    """The keys of a ring that have signed and still verify, without their private halves."""
    kept = []
    for at, one in enumerate(key.ring):
        if at == 1 and one.private:
            continue  # the next one: it has signed nothing
        expire = one.expire_ns or now_ns + ttl * NANO
        if now_ns < expire:
            kept.append(replace(one, private=b"", expire_ns=expire))
    return tuple(kept)
