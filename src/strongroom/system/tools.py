"""Random bytes and hashes."""

from __future__ import annotations

import asyncio
import base64
import secrets
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import Base64
from strongroom.core.context import SystemContext
from strongroom.crypto.digests import DIGESTS
from strongroom.errors import BadRequest
from strongroom.system.engine import system

#: All but SHA-1, which is not offered for plain hashing.
HASHES = {name: digest for name, digest in DIGESTS.items() if name != "sha1"}
MOST_BYTES = 128 * 1024
SOURCES = ("platform", "seal", "all")
#: Hashing more than this would hold up other requests.
THREAD_BYTES = 1 << 20


class RandomArgs(Args):
    """How much, and how written."""

    bytes: int = field("How many bytes.", default=32)
    place: str = field("The source or the number of bytes, in the path.")
    urlbytes: str = field("The number of bytes, in the path.")
    format: str = field("`base64` or `hex`.", default="base64")
    source: str = field("`platform`, `seal` or `all`; all are the operating system.", default="platform")


class HashArgs(Args):
    """What to hash, and how."""

    input: Base64 = field("What to hash, in base64.")
    algorithm: str = field("The algorithm.", default="sha2-256")
    urlalgorithm: str = field("The same, in the path.")
    format: str = field("`hex` or `base64`.", default="hex")


def _written(data: bytes, form: str) -> str:
    if form == "hex":
        return data.hex()
    if form == "base64":
        return base64.b64encode(data).decode()
    raise BadRequest('unsupported encoding format; must be "hex" or "base64"')


async def random(ctx: SystemContext, args: RandomArgs) -> dict[str, Any]:
    """Random bytes from the operating system."""
    source, asked = args.source, args.urlbytes
    if args.place in SOURCES or asked:
        source = args.place
    else:
        asked = args.place
    if source not in SOURCES:
        raise BadRequest('unsupported entropy source; must be "platform" or "seal", or "all"')
    count = args.bytes
    if asked:
        if not (asked.isascii() and asked.isdecimal()) or len(asked) > 9:
            raise BadRequest("error parsing url-set byte count: it is no number")
        count = int(asked)
    if count < 1:
        raise BadRequest('"bytes" cannot be less than 1')
    if count > MOST_BYTES:
        raise BadRequest(f'"bytes" should be less than {MOST_BYTES}')
    written = _written(secrets.token_bytes(count), args.format)
    if source == "seal":
        ctx.warn("no seal/entropy augmentation available, using platform entropy source")
    return {"random_bytes": written}


async def hash_input(ctx: SystemContext, args: HashArgs) -> dict[str, Any]:
    """The hash of some bytes."""
    algorithm = HASHES.get(args.urlalgorithm or args.algorithm)
    if algorithm is None:
        raise BadRequest(f"unsupported algorithm; known are {', '.join(HASHES)}")
    if len(args.input) > THREAD_BYTES:
        digest = await asyncio.to_thread(algorithm.of, args.input)
    else:
        digest = algorithm.of(args.input)
    return {"sum": _written(digest, args.format)}


for _pattern in ("tools/random", "tools/random/{place:segment}", "tools/random/{place:segment}/{urlbytes:segment}"):
    system.write(_pattern)(random)
for _pattern in ("tools/hash", "tools/hash/{urlalgorithm:segment}"):
    system.write(_pattern)(hash_input)
