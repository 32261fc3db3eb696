"""Encrypting, decrypting, rewrapping, and data keys."""

from __future__ import annotations

import os
from collections.abc import Callable
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
from strongroom.errors import BadRequest

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
    """A context or nonce of an item; raises `BadRequest`."""
    if not text:
        return b""
    try:
        return encoding.decode(text)
    except InvalidBase64 as e:
        raise BadRequest(str(e)) from None


def _associated(text: str | None, algorithm: Algorithm, at: int) -> bytes:
    if not text:
        return b""
    if not algorithm.aead:
        raise BadRequest(f"'[{at}].associated_data' provided for non-AEAD cipher suite {algorithm.type}")
    try:
        return encoding.decode(text)
    except InvalidBase64 as e:
        raise Failed(f"unable to get associated_data/additional_data from factory[{at}]: {e}") from None


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
    context = _optional(args.context)
    key, made = await _key_for(ctx, args, bool(context))
    ciphertext, number = await perform(
        ALGORITHMS[key.type].threaded,
        len(args.plaintext),
        _encrypt_one,
        key,
        args.plaintext,
        args.key_version,
        context,
        args.nonce,
        args.associated_data,
    )
    if made:
        save(ctx, key)
    return {"ciphertext": ciphertext, "key_version": number}


def _encrypt_one(
    key: Key, plaintext: str, version: int, context: bytes, nonce: str | None, associated: str | None, at: int = 0
) -> tuple[str, int]:
    operations.check_encrypts(key)
    given = _optional(nonce) if nonce else b""
    extra = _associated(associated, ALGORITHMS[key.type], at) if associated else b""
    try:
        data = encoding.decode(plaintext)
    except InvalidBase64 as e:
        raise BadRequest(str(e)) from None
    return operations.encrypt(key, data, version=version, context=context, nonce=given, associated=extra)


async def _encrypt_batch(ctx: Context, args: EncryptArgs) -> Response:
    items = batch.parse(args.batch_input, batch.EncryptItem)
    batch.check_contexts(items)
    key, made = await _key_for(ctx, args, bool(items[0].context))
    chars = sum(len(item.plaintext) for item in items)
    results, errors = await perform(ALGORITHMS[key.type].threaded, chars, batch.run, items, _encrypts(key))
    if made and len(errors) < len(items):
        save(ctx, key)
    return batch.partial_answer(ctx, results, errors, args.partial_failure_response_code)


def _encrypts(key: Key) -> Callable[[batch.EncryptItem, int], dict[str, Any]]:
    def work(item: batch.EncryptItem, at: int) -> dict[str, Any]:
        context = _optional(item.context)
        version = batch.version_of(item)
        ciphertext, number = _encrypt_one(key, item.plaintext, version, context, item.nonce, item.associated_data, at)
        return {"ciphertext": ciphertext, "key_version": number}

    return work


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
        items = batch.parse(args.batch_input, batch.DecryptItem)
        batch.check_contexts(items)
        key = usable(await find(ctx, args.name), NO_KEY)
        chars = sum(len(item.ciphertext) for item in items)
        results, errors = await perform(
            ALGORITHMS[key.type].threaded, chars, batch.run, items, _decrypts(key), {"plaintext": ""}
        )
        return batch.partial_answer(ctx, results, errors, args.partial_failure_response_code)
    if not args.ciphertext:
        raise BadRequest(_MISSING_CIPHERTEXT)
    context = _optional(args.context)
    key = usable(await find(ctx, args.name), NO_KEY)
    text = await perform(
        ALGORITHMS[key.type].threaded,
        len(args.ciphertext),
        _decrypt_text,
        key,
        args.ciphertext,
        context,
        args.nonce,
        args.associated_data,
    )
    return {"plaintext": text}


def _decrypt_one(
    key: Key, ciphertext: str, context: bytes, nonce: str | None, associated: str | None, at: int = 0
) -> bytes:
    if not ciphertext:
        raise BadRequest(_MISSING_CIPHERTEXT)
    operations.check_encrypts(key, "decryption")
    given = _optional(nonce) if nonce else b""
    extra = _associated(associated, ALGORITHMS[key.type], at) if associated else b""
    return operations.decrypt(key, ciphertext, context=context, nonce=given, associated=extra)


def _decrypt_text(key: Key, ciphertext: str, context: bytes, nonce: str | None, associated: str | None) -> str:
    return encoding.encode(_decrypt_one(key, ciphertext, context, nonce, associated))


def _decrypts(key: Key) -> Callable[[batch.DecryptItem, int], dict[str, Any]]:
    def work(item: batch.DecryptItem, at: int) -> dict[str, Any]:
        context = _optional(item.context)
        plaintext = _decrypt_one(key, item.ciphertext, context, item.nonce, item.associated_data, at)
        return {"plaintext": encoding.encode(plaintext)}

    return work


@transit.write("rewrap/{name}", effectless=True)
async def rewrap(ctx: Context, args: RewrapArgs) -> dict[str, Any]:
    """Decrypt and encrypt again with the latest or a chosen version, without showing the plaintext."""
    if args.batch_input is not None:
        items = batch.parse(args.batch_input, batch.DecryptItem)
        batch.check_contexts(items)
        key = usable(await find_current(ctx, args.name), NO_KEY)
        chars = sum(len(item.ciphertext) for item in items)
        results, _ = await perform(ALGORITHMS[key.type].threaded, chars, batch.run, items, _rewraps(key))
        return batch.answer(results)
    if not args.ciphertext:
        raise BadRequest(_MISSING_CIPHERTEXT)
    context = _optional(args.context)
    key = usable(await find_current(ctx, args.name), NO_KEY)
    ciphertext, number = await perform(
        ALGORITHMS[key.type].threaded,
        len(args.ciphertext),
        _rewrap_one,
        key,
        args.ciphertext,
        args.key_version,
        context,
        args.nonce,
        args.associated_data,
    )
    return {"ciphertext": ciphertext, "key_version": number}


def _rewrap_one(
    key: Key, ciphertext: str, version: int, context: bytes, nonce: str | None, associated: str | None, at: int = 0
) -> tuple[str, int]:
    plaintext = _decrypt_one(key, ciphertext, context, nonce, associated, at)
    given = _optional(nonce) if nonce else b""
    extra = _associated(associated, ALGORITHMS[key.type], at) if associated else b""
    return operations.encrypt(key, plaintext, version=version, context=context, nonce=given, associated=extra)


def _rewraps(key: Key) -> Callable[[batch.DecryptItem, int], dict[str, Any]]:
    def work(item: batch.DecryptItem, at: int) -> dict[str, Any]:
        context = _optional(item.context)
        version = batch.version_of(item)
        ciphertext, number = _rewrap_one(key, item.ciphertext, version, context, item.nonce, item.associated_data, at)
        return {"ciphertext": ciphertext, "key_version": number}

    return work


@transit.write("datakey/{form:segment}/{name}", effectless=True)
async def data_key(ctx: Context, args: DataKeyArgs) -> dict[str, Any]:
    """Make a random key for use elsewhere, encrypted with this one."""
    if args.form not in ("plaintext", "wrapped"):
        raise BadRequest("Invalid path, must be 'plaintext' or 'wrapped'")
    context = encoding.decode_context(args.context)
    key = usable(await find_current(ctx, args.name), NO_KEY)
    if args.bits not in (128, 256, 512):
        raise BadRequest("invalid bit length")
    plaintext = encoding.encode(os.urandom(args.bits // 8))
    ciphertext, number = await perform(
        ALGORITHMS[key.type].threaded,
        0,
        _encrypt_one,
        key,
        plaintext,
        args.key_version,
        context,
        args.nonce,
        args.associated_data,
    )
    data = {"ciphertext": ciphertext, "key_version": number}
    return {**data, "plaintext": plaintext} if args.form == "plaintext" else data
