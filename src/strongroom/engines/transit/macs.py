"""Message authentication codes: HMACs of every key, CMACs of those for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.crypto.digests import DIGESTS, Digest
from strongroom.engines.transit import batch, operations
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.encoding import decode_input
from strongroom.engines.transit.engine import find, find_current, perform, transit, usable
from strongroom.engines.transit.errors import NO_KEY
from strongroom.engines.transit.model import Key
from strongroom.errors import BadRequest

DEFAULT_HASH: Final = "sha2-256"

Items = list[batch.InputItem]
Work = Callable[[batch.InputItem, int], dict[str, Any]]


class _MacArgs(Args):
    name: Name = field("The key's name.")
    input: str = field("The input, in base64.")
    key_version: int = field("The version to use; 0 for the latest.")
    batch_input: Any = field("A list of objects, each with the parameters of one operation.")


class HmacArgs(_MacArgs):
    """What to authenticate, by which hash."""

    algorithm: str = field("The hash.", default=DEFAULT_HASH)
    urlalgorithm: str = field("The hash, in the path; it wins over the other.")


class CmacArgs(_MacArgs):
    """What to authenticate, at what length."""

    mac_length: int = field("The CMAC's length in bytes; 0 for 16.")
    url_mac_length: int = field("The same, in the path; it wins over the other.")


def _digest(name: str) -> Digest:
    digest = DIGESTS.get(name)
    if digest is None:
        raise BadRequest(f"unsupported algorithm '{name[:32]}'")
    return digest


def _cmac_key(key: Key | None) -> Key:
    found = usable(key, NO_KEY)
    algorithm = ALGORITHMS[found.type]
    if not algorithm.cmacs:
        raise BadRequest(f"key type {algorithm.type} does not support CMAC")
    return found


def _input(item: batch.InputItem, missing: str) -> bytes:
    if item.input is None:
        raise BadRequest(missing)
    return decode_input(item.input)


def _length(item: batch.InputItem, otherwise: int) -> int:
    return otherwise if item.mac_length is None else batch.number(item.mac_length, "mac_length")


async def _run(ctx: Context, items: Items, work: Work) -> dict[str, Any]:
    """Work on a batch; what fails is an item's error."""
    results, _ = await batch.each(ctx, items, work)
    return batch.answer(results)


async def _make(ctx: Context, args: _MacArgs, items: Items | None, work: Work, missing: str) -> dict[str, Any]:
    if items is not None:
        return await _run(ctx, items, work)
    if "input" not in args.given:
        raise BadRequest(missing)
    item = batch.InputItem(input=args.input, key_version=args.key_version)
    return await perform(ctx, False, work, item, 0)


async def make_hmac(ctx: Context, args: HmacArgs) -> dict[str, Any]:
    """Make an HMAC."""
    items = None if args.batch_input is None else await batch.parse(ctx, args.batch_input, batch.InputItem)
    digest = _digest(args.urlalgorithm or args.algorithm or DEFAULT_HASH)
    key = usable(await find_current(ctx, args.name), NO_KEY)
    missing = "missing input for HMAC"

    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        data, version = _input(item, missing), batch.version_of(item)
        return {"hmac": operations.mac(key, data, digest, version=version)}

    return await _make(ctx, args, items, work, missing)


async def make_cmac(ctx: Context, args: CmacArgs) -> dict[str, Any]:
    """Make a CMAC."""
    items = None if args.batch_input is None else await batch.parse(ctx, args.batch_input, batch.InputItem)
    key = _cmac_key(await find_current(ctx, args.name))
    length, missing = args.url_mac_length or args.mac_length, "missing input for CMAC"

    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        data, version = _input(item, missing), batch.version_of(item)
        return {"cmac": operations.cmac(key, data, _length(item, length), version=version)}

    return await _make(ctx, args, items, work, missing)


async def _verify(
    ctx: Context, one: batch.InputItem, items: Items | None, right: Callable[[bytes, batch.InputItem], bool]
) -> dict[str, Any]:
    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        return {"valid": True} if right(_input(item, "missing input"), item) else {}

    if items is not None:
        return await _run(ctx, items, work)
    return await perform(ctx, False, work, one, 0) or {"valid": False}


async def verify_hmacs(
    ctx: Context, name: str, hash_name: str, one: batch.InputItem, items: Items | None
) -> dict[str, Any]:
    """Verify the HMACs of items, or of one."""
    digest = _digest(hash_name)
    key = usable(await find(ctx, name), NO_KEY)
    return await _verify(ctx, one, items, lambda data, item: operations.verify_mac(key, item.hmac or "", data, digest))


async def verify_cmacs(
    ctx: Context, name: str, length: int, one: batch.InputItem, items: Items | None
) -> dict[str, Any]:
    """Verify the CMACs of items, or of one; `length` is that of those that do not name their own."""
    key = _cmac_key(await find(ctx, name))
    return await _verify(
        ctx, one, items, lambda data, item: operations.verify_cmac(key, item.cmac or "", data, _length(item, length))
    )


for _path, _handler in (
    ("hmac/{name}", make_hmac),
    ("hmac/{name}/{urlalgorithm:segment}", make_hmac),
    ("cmac/{name}", make_cmac),
    ("cmac/{name}/{url_mac_length:segment}", make_cmac),
):
    transit.write(_path, effectless=True)(_handler)
