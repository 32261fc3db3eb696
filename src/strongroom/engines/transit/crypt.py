"""Encrypting, decrypting, rewrapping, and data keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.api.messages import Operation, Response
from strongroom.engines.transit import batch, encoding, lifecycle, operations
from strongroom.engines.transit.algorithms import ALGORITHMS, DEFAULT, Algorithm, named
from strongroom.engines.transit.encoding import InvalidBase64
from strongroom.engines.transit.engine import find, find_current, find_locked, perform, save, transit, usable
from strongroom.engines.transit.errors import NO_KEY, Failed
from strongroom.engines.transit.model import KEY_SETTINGS, Key, KeySettings
from strongroom.errors import BadRequest, RequestError

_MISSING_PLAINTEXT = "missing plaintext to encrypt"
_MISSING_CIPHERTEXT = "missing ciphertext to decrypt"


class _CryptArgs(Args):
    name: Name = field("The key's name.")
    context: str = field("The context (base64) of a derived key.")
    nonce: str = field("The nonce (base64) of a convergent key of the first version, and of no other.")
    associated_data: str = field("Data (base64) that is authenticated with the ciphertext but not in it.")
    batch_input: Any = field("A list of objects, each with the parameters of one operation.")


class EncryptArgs(_CryptArgs):
    """What to encrypt."""

    plaintext: str = field("What to encrypt, in base64.")
    key_version: int = field("The version to encrypt with; 0 for the latest.")
    type: str = field("The type of the key, if this request makes it.", default=DEFAULT)
    convergent_encryption: bool = field("Whether the key is convergent, if this request makes it.")
    partial_failure_response_code: int | None = field("The status of a batch of which some items failed.")


class DecryptArgs(_CryptArgs):
    """What to decrypt."""

    ciphertext: str = field("What to decrypt.")
    partial_failure_response_code: int | None = field("The status of a batch of which some items failed.")


class RewrapArgs(_CryptArgs):
    """What to encrypt anew."""

    ciphertext: str = field("What to decrypt and encrypt again.")
    key_version: int = field("The version to encrypt with; 0 for the latest.")


class DataKeyArgs(Args):
    """A key for use elsewhere."""

    name: Name = field("The key's name.")
    form: str = field("`plaintext` answers with the data key and its ciphertext, `wrapped` with the latter only.")
    context: str = field("The context (base64) of a derived key.")
    nonce: str = field("The nonce (base64) of a convergent key of the first version, and of no other.")
    associated_data: str = field("Data (base64) that is authenticated with the ciphertext but not in it.")
    bits: int = field("The data key's length: 128, 256 or 512.", default=256)
    key_version: int = field("The version to encrypt with; 0 for the latest.")


def _optional(text: str | None) -> bytes:
    """A context or nonce; raises `BadRequest`."""
    if not text:
        return b""
    try:
        return encoding.decode(text)
    except InvalidBase64 as e:
        raise BadRequest(str(e)) from None


def _associated(text: str, algorithm: Algorithm, at: int) -> bytes:
    if not algorithm.aead:
        raise BadRequest(f"'[{at}].associated_data' provided for non-AEAD cipher suite {algorithm.type}")
    try:
        return encoding.decode(text)
    except InvalidBase64 as e:
        raise Failed(f"unable to get associated_data/additional_data from factory[{at}]: {e}") from None


def _extras(key: Key, item: batch.EncryptItem | batch.DecryptItem, at: int) -> dict[str, bytes]:
    """What beside the data goes into the cipher; most often nothing."""
    extras = {}
    if item.context:
        extras["context"] = _optional(item.context)
    if item.nonce:
        extras["nonce"] = _optional(item.nonce)
    if item.associated_data:
        extras["associated"] = _associated(item.associated_data, ALGORITHMS[key.type], at)
    return extras


def _encrypted(key: Key, item: batch.EncryptItem, at: int = 0) -> dict[str, Any]:
    operations.check_encrypts(key)
    version, extras = batch.version_of(item), _extras(key, item, at)
    try:
        plaintext = encoding.decode(item.plaintext)
    except InvalidBase64 as e:
        raise BadRequest(str(e)) from None
    ciphertext, number = operations.encrypt(key, plaintext, version=version, **extras)
    return {"ciphertext": ciphertext, "key_version": number}


def _opened(key: Key, item: batch.DecryptItem, at: int) -> bytes:
    if not item.ciphertext:
        raise BadRequest(_MISSING_CIPHERTEXT)
    operations.check_encrypts(key, "decryption")
    return operations.decrypt(key, item.ciphertext, **_extras(key, item, at))


def _decrypted(key: Key, item: batch.DecryptItem, at: int = 0) -> dict[str, Any]:
    return {"plaintext": encoding.encode(_opened(key, item, at))}


def _rewrapped(key: Key, item: batch.DecryptItem, at: int = 0) -> dict[str, Any]:
    plaintext, version = _opened(key, item, at), batch.version_of(item)
    ciphertext, number = operations.encrypt(key, plaintext, version=version, **_extras(key, item, at))
    return {"ciphertext": ciphertext, "key_version": number}


async def _each(
    ctx: Context,
    key: Key,
    items: Sequence[batch.I],
    work: Callable[[Key, batch.I, int], dict[str, Any]],
    failed: dict[str, Any] | None = None,
) -> tuple[list[dict[str, Any]], list[RequestError]]:
    threaded = ALGORITHMS[key.type].threaded
    return await batch.each(ctx, items, partial(work, key), failed, threaded=threaded, costly=key.derived)


async def _exists(ctx: Context, args: EncryptArgs) -> bool:
    return await find(ctx, args.name) is not None


@transit.write("encrypt/{name}", exists=_exists, effectless=True)
async def encrypt(ctx: Context, args: EncryptArgs) -> dict[str, Any] | Response:
    """Encrypt.

    A key that is not there is made, if the token may create on this path; with a context it is a derived one.
    """
    if args.batch_input is not None:
        return await _encrypt_batch(ctx, args)
    if "plaintext" not in args.given:
        raise BadRequest(_MISSING_PLAINTEXT)
    key, made = await _key_for(ctx, args, bool(args.context))
    item = batch.EncryptItem(
        plaintext=args.plaintext,
        context=args.context,
        key_version=args.key_version,
        nonce=args.nonce,
        associated_data=args.associated_data,
    )
    answer = await perform(ctx, ALGORITHMS[key.type].threaded, _encrypted, key, item)
    if made:
        save(ctx, key)
    return answer


async def _encrypt_batch(ctx: Context, args: EncryptArgs) -> Response:
    items = await batch.parse(ctx, args.batch_input, batch.EncryptItem, contexts=True)
    key, made = await _key_for(ctx, args, bool(items[0].context))
    results, errors = await _each(ctx, key, items, _encrypted)
    if made and len(errors) < len(items):
        save(ctx, key)
    return batch.partial_answer(ctx, results, errors, args.partial_failure_response_code)


async def _key_for(ctx: Context, args: EncryptArgs, derived: bool) -> tuple[Key, bool]:
    """The key to encrypt with, and whether it is new and to be stored if anything comes of it."""
    key = await find_current(ctx, args.name)
    if key is None and ctx.request.operation is Operation.CREATE:
        settings = await ctx.storage.load(KEY_SETTINGS, KeySettings)
        if settings is None or not settings.disable_upsert:
            algorithm = _upsert_algorithm(args, derived)
            key = await find_locked(ctx, args.name)
            if key is None:
                empty = lifecycle.empty(args.name, algorithm, derived=derived, convergent=args.convergent_encryption)
                return await lifecycle.rotated(empty, ctx.clock.now_ns()), True
    return usable(key, NO_KEY), False


def _upsert_algorithm(args: EncryptArgs, derived: bool) -> Algorithm:
    if args.convergent_encryption and not derived:
        raise BadRequest("convergent encryption requires derivation to be enabled, so context is required")
    algorithm = named(args.type)
    if algorithm is not None and algorithm.aead:
        return algorithm
    if args.type.startswith("ecdsa-") and algorithm is not None:
        raise BadRequest(f"key type {args.type} not supported for this operation")
    raise BadRequest(f"unknown key type {args.type[:32]}")


@transit.write("decrypt/{name}", effectless=True)
async def decrypt(ctx: Context, args: DecryptArgs) -> dict[str, Any] | Response:
    """Decrypt."""
    if args.batch_input is not None:
        items = await batch.parse(ctx, args.batch_input, batch.DecryptItem, contexts=True)
        key = usable(await find(ctx, args.name), NO_KEY)
        results, errors = await _each(ctx, key, items, _decrypted, {"plaintext": ""})
        return batch.partial_answer(ctx, results, errors, args.partial_failure_response_code)
    item = _single(args, 0)
    key = usable(await find(ctx, args.name), NO_KEY)
    return await perform(ctx, ALGORITHMS[key.type].threaded, _decrypted, key, item)


@transit.write("rewrap/{name}", effectless=True)
async def rewrap(ctx: Context, args: RewrapArgs) -> dict[str, Any]:
    """Decrypt and encrypt again with the latest or a chosen version, without showing the plaintext."""
    if args.batch_input is not None:
        items = await batch.parse(ctx, args.batch_input, batch.DecryptItem, contexts=True)
        key = usable(await find_current(ctx, args.name), NO_KEY)
        results, _ = await _each(ctx, key, items, _rewrapped)
        return batch.answer(results)
    item = _single(args, args.key_version)
    key = usable(await find_current(ctx, args.name), NO_KEY)
    return await perform(ctx, ALGORITHMS[key.type].threaded, _rewrapped, key, item)


def _single(args: DecryptArgs | RewrapArgs, version: int) -> batch.DecryptItem:
    """What a request without a batch asks for; raises `BadRequest` when that is nothing."""
    if not args.ciphertext:
        raise BadRequest(_MISSING_CIPHERTEXT)
    return batch.DecryptItem(
        ciphertext=args.ciphertext,
        context=args.context,
        key_version=version,
        nonce=args.nonce,
        associated_data=args.associated_data,
    )


@transit.write("datakey/{form:segment}/{name}", effectless=True)
async def data_key(ctx: Context, args: DataKeyArgs) -> dict[str, Any]:
    """Make a random key for use elsewhere, encrypted with this one."""
    if args.form not in ("plaintext", "wrapped"):
        raise BadRequest("Invalid path, must be 'plaintext' or 'wrapped'")
    encoding.decode_context(args.context)
    key = usable(await find_current(ctx, args.name), NO_KEY)
    if args.bits not in (128, 256, 512):
        raise BadRequest("invalid bit length")
    item = batch.EncryptItem(
        plaintext=encoding.encode(os.urandom(args.bits // 8)),
        context=args.context,
        key_version=args.key_version,
        nonce=args.nonce,
        associated_data=args.associated_data,
    )
    data = await perform(ctx, ALGORITHMS[key.type].threaded, _encrypted, key, item)
    return {**data, "plaintext": item.plaintext} if args.form == "plaintext" else data
