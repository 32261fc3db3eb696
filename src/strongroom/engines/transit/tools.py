"""Random bytes and hashes, and the settings of a mount."""

from __future__ import annotations

import os
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.crypto.digests import DIGESTS
from strongroom.engines.transit import encoding
from strongroom.engines.transit.engine import perform, transit
from strongroom.engines.transit.model import CACHE_SETTINGS, KEY_SETTINGS, CacheSettings, KeySettings
from strongroom.errors import BadRequest

MOST_BYTES = 128 * 1024
SOURCES = ("platform", "seal", "all")
LEAST_CACHE = 10


class RandomArgs(Args):
    """How much, from where and how written."""

    bytes: int = field("How many bytes.", default=32)
    place: str = field("The source or the number of bytes, in the path.")
    urlbytes: str = field("The number of bytes, in the path.")
    format: str = field("`base64` or `hex`.", default="base64")
    source: str = field("`platform`, `seal` or `all`.", default="platform")


class HashArgs(Args):
    """What to hash, and how."""

    input: str = field("What to hash, in base64.")
    algorithm: str = field("The hash.", default="sha2-256")
    urlalgorithm: str = field("The same, in the path.")
    format: str = field("`hex` or `base64`.", default="hex")


class CacheArgs(Args):
    """The key cache."""

    size: int = field("How many keys to keep ready; 0 for no limit, else 10 or more.")


class KeySettingsArgs(Args):
    """Settings for all keys."""

    disable_upsert: bool = field("Whether encrypting with an unknown key fails instead of making it.")


def _check_format(form: str, quote: str = "") -> None:
    if form not in ("hex", "base64"):
        raise BadRequest(f'unsupported encoding format {quote}{form[:32]}{quote}; must be "hex" or "base64"')


def _written(data: bytes, form: str) -> str:
    return data.hex() if form == "hex" else encoding.encode(data)


async def random(ctx: Context, args: RandomArgs) -> dict[str, Any]:
    """Random bytes from the operating system."""
    source, count = args.source, args.urlbytes
    if args.place in SOURCES or count:
        source = args.place
    else:
        count = args.place
    if source not in SOURCES:
        raise BadRequest(f'unsupported entropy source "{source[:32]}"; must be "platform" or "seal", or "all"')
    number = args.bytes
    if count:
        if not (count.isascii() and count.isdecimal() and len(count) < 10):
            raise BadRequest(f'error parsing url-set byte count: strconv.Atoi: parsing "{count[:32]}": invalid syntax')
        number = int(count)
    if number < 1:
        raise BadRequest("'bytes' cannot be less than 1")
    if number > MOST_BYTES:
        raise BadRequest(f"'bytes' should be less than {MOST_BYTES}")
    _check_format(args.format, '"')
    if source == "seal":
        ctx.warn("no seal/entropy augmentation available, using platform entropy source")
    return {"random_bytes": _written(os.urandom(number), args.format)}


async def hash_input(ctx: Context, args: HashArgs) -> dict[str, Any]:
    """The hash of some bytes."""
    if "input" not in args.given:
        raise BadRequest("input missing")
    data = await perform(ctx, False, encoding.decode_input, args.input)
    _check_format(args.format)
    name = args.urlalgorithm or args.algorithm
    digest = DIGESTS.get(name) if name != "sha1" else None
    if digest is None:
        raise BadRequest(f"unsupported algorithm {name[:32]}")
    return {"sum": _written(await perform(ctx, False, digest.of, data), args.format)}


for _pattern in ("random", "random/{place:segment}", "random/{place:segment}/{urlbytes:segment}"):
    transit.write(_pattern, effectless=True)(random)
for _pattern in ("hash", "hash/{urlalgorithm:segment}"):
    transit.write(_pattern, effectless=True)(hash_input)


@transit.read("cache-config")
async def read_cache_settings(ctx: Context) -> dict[str, Any]:
    """The size of the key cache."""
    settings = await ctx.storage.load(CACHE_SETTINGS, CacheSettings) or CacheSettings()
    return {"size": settings.size}


@transit.write("cache-config")
async def write_cache_settings(ctx: Context, args: CacheArgs) -> dict[str, Any]:
    """Set the size of the key cache.

    The value is kept for clients; keys stay ready as long as the server's own cache, which is bounded, has them.
    """
    if args.size != 0 and args.size < LEAST_CACHE:
        raise BadRequest(f"size must be 0 or a value greater or equal to {LEAST_CACHE}")
    ctx.storage.store(CACHE_SETTINGS, CacheSettings(size=args.size))
    return {"size": args.size}


@transit.read("config/keys")
async def read_key_settings(ctx: Context) -> dict[str, Any]:
    """The settings for all keys of this mount."""
    settings = await ctx.storage.load(KEY_SETTINGS, KeySettings) or KeySettings()
    return {"disable_upsert": settings.disable_upsert}


@transit.write("config/keys")
async def write_key_settings(ctx: Context, args: KeySettingsArgs) -> dict[str, Any]:
    """Change the settings for all keys of this mount."""
    settings = await ctx.storage.load(KEY_SETTINGS, KeySettings) or KeySettings()
    if "disable_upsert" in args.given:
        settings = KeySettings(disable_upsert=args.disable_upsert)
    ctx.storage.store(KEY_SETTINGS, settings)
    return {"disable_upsert": settings.disable_upsert}
