"""Signing, verifying, and HMACs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.crypto.digests import DIGESTS, Digest
from strongroom.engines.transit import batch, operations
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.encoding import decode_context, decode_input
from strongroom.engines.transit.engine import find, find_current, perform, transit, usable
from strongroom.engines.transit.errors import NO_KEY
from strongroom.engines.transit.material import SALT_AUTO, SALT_DIGEST, Scheme
from strongroom.engines.transit.model import Key
from strongroom.errors import BadRequest

DEFAULT_HASH = "sha2-256"


class _InputArgs(Args):
    name: Name = field("The key's name.")
    input: str = field("The input, in base64.")
    urlalgorithm: str = field("The hash, in the path; it wins over the others.")
    batch_input: Any = field("A list of objects, each with the parameters of one operation.")


class _SchemeArgs(_InputArgs):
    hash_algorithm: str = field("The hash; `none` signs the input as it is.", default=DEFAULT_HASH)
    algorithm: str = field("An older name of `hash_algorithm`.", deprecated=True)
    signature_algorithm: str = field("For RSA keys `pss` (the default) or `pkcs1v15`.")
    marshaling_algorithm: str = field("`asn1`, or `jws` for the form of JSON Web Signatures.", default="asn1")
    prehashed: bool = field("Whether the input is the hash already.")
    salt_length: str = field("For PSS `auto`, `hash` or a number of bytes.", default="auto")
    context: str = field("The context (base64) of a derived key.")


class SignArgs(_SchemeArgs):
    """What to sign, and how."""

    key_version: int = field("The version to sign with; 0 for the latest.")


class VerifyArgs(_SchemeArgs):
    """What to verify, and how."""

    signature: str = field("The signature.")
    hmac: str = field("The HMAC, where there is no signature.")


class HmacArgs(_InputArgs):
    """What to authenticate."""

    algorithm: str = field("The hash.", default=DEFAULT_HASH)
    key_version: int = field("The version to use; 0 for the latest.")


def _scheme(args: _SchemeArgs) -> Scheme:
    """How to sign; raises `BadRequest`."""
    name = args.urlalgorithm or args.hash_algorithm or args.algorithm or DEFAULT_HASH
    if name != "none" and name not in DIGESTS:
        raise BadRequest(f'invalid hash algorithm "{name[:32]}"')
    if args.marshaling_algorithm not in ("asn1", "jws"):
        raise BadRequest(f'invalid marshaling type "{args.marshaling_algorithm[:32]}"')
    if name == "none" and not (args.prehashed and args.signature_algorithm == "pkcs1v15"):
        raise BadRequest("hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15")
    return Scheme(
        digest=DIGESTS.get(name),
        prehashed=args.prehashed,
        jws=args.marshaling_algorithm == "jws",
        rsa=args.signature_algorithm or "pss",
        salt=_salt(args.salt_length),
    )


def _salt(text: str) -> int:
    if text in ("", "auto"):
        return SALT_AUTO
    if text == "hash":
        return SALT_DIGEST
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise BadRequest(f"salt length neither 'auto', 'hash', nor an int: {text[:32]}")
    if int(text) < SALT_DIGEST:
        raise BadRequest(f"salt length is invalid: {text}")
    return int(text)


def _digest(name: str) -> Digest:
    digest = DIGESTS.get(name)
    if digest is None:
        raise BadRequest(f"unsupported algorithm '{name[:32]}'")
    return digest


async def sign(ctx: Context, args: SignArgs) -> dict[str, Any]:
    """Sign."""
    scheme = _scheme(args)
    items = None if args.batch_input is None else batch.parse(args.batch_input, batch.InputItem)
    key = usable(await find_current(ctx, args.name), "signing key not found")
    algorithm = ALGORITHMS[key.type]
    if not algorithm.signs:
        raise BadRequest(f"key type {algorithm.type} does not support signing")
    if items is not None:
        chars = sum(len(item.input or "") for item in items)
        work = _signs(key, scheme, args.key_version)
        results, _ = await perform(algorithm.threaded, chars, batch.run, items, work, {"key_version": 0})
        return batch.answer(results)
    data, context = decode_input(args.input), decode_context(args.context)
    text, number, public = await perform(
        algorithm.threaded, len(args.input), _sign_one, key, data, scheme, args.key_version, context
    )
    answer = {"signature": text, "key_version": number}
    return {**answer, "public_key": public} if public else answer


def _sign_one(key: Key, data: bytes, scheme: Scheme, version: int, context: bytes) -> tuple[str, int, str]:
    return operations.sign(key, data, scheme, version=version, context=context)


def _signs(key: Key, scheme: Scheme, version: int) -> Callable[[batch.InputItem, int], dict[str, Any]]:
    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        if item.input is None:
            raise BadRequest("missing input")
        data, context = decode_input(item.input), decode_context(item.context or "")
        text, number, public = _sign_one(key, data, scheme, version, context)
        result = {"signature": text, "key_version": number}
        return {**result, "publickey": public} if public else result

    return work


async def verify(ctx: Context, args: VerifyArgs) -> dict[str, Any]:
    """Verify a signature or an HMAC."""
    items = None if args.batch_input is None else batch.parse(args.batch_input, batch.InputItem)
    if _is_mac(args, items):
        return await _verify_macs(ctx, args, items)
    scheme = _scheme(args)
    key = usable(await find(ctx, args.name), "signature verification key not found")
    algorithm = ALGORITHMS[key.type]
    if not algorithm.signs:
        raise BadRequest(f"key type {algorithm.type} does not support verification")

    def one(signature: str, data: bytes, context: bytes) -> bool:
        return operations.verify(key, signature, data, scheme, context=context)

    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        if item.input is None:
            raise BadRequest("missing input")
        data, context = decode_input(item.input), decode_context(item.context or "")
        return {"valid": one(item.signature or "", data, context)}

    if items is not None:
        chars = sum(len(item.input or "") for item in items)
        results, _ = await perform(algorithm.threaded, chars, batch.run, items, work, {"valid": False})
        return batch.answer(results)
    data, context = decode_input(args.input), decode_context(args.context)
    valid = await perform(algorithm.threaded, len(args.input), one, args.signature, data, context)
    return {"valid": valid}


def _is_mac(args: VerifyArgs, items: list[batch.InputItem] | None) -> bool:
    """Whether HMACs are to be verified, not signatures; raises `BadRequest` when it is neither or both."""
    if items is None:
        if args.signature:
            return False
        if args.hmac:
            return True
        raise BadRequest("neither a 'signature' nor an 'hmac' were given to verify")
    signatures = sum(bool(item.signature) for item in items)
    macs = sum(bool(item.hmac) for item in items)
    if not signatures and not macs:
        raise BadRequest("no batch_input elements have 'signature' or 'hmac'")
    if signatures and macs:
        raise BadRequest("elements of batch_input must all provide 'signature' or all provide 'hmac'")
    if signatures + macs < len(items):
        raise BadRequest(f"some elements of batch_input are missing '{'signature' if signatures else 'hmac'}'")
    return bool(macs)


async def _verify_macs(ctx: Context, args: VerifyArgs, items: list[batch.InputItem] | None) -> dict[str, Any]:
    digest = _digest(args.urlalgorithm or args.hash_algorithm or args.algorithm or DEFAULT_HASH)
    key = usable(await find(ctx, args.name), NO_KEY)

    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        if item.input is None:
            raise BadRequest("missing input")
        valid = operations.verify_mac(key, item.hmac or "", decode_input(item.input), digest)
        return {"valid": True} if valid else {}

    if items is not None:
        results, _ = await perform(False, sum(len(item.input or "") for item in items), batch.run, items, work)
        return batch.answer(results)
    data = decode_input(args.input)
    return {"valid": operations.verify_mac(key, args.hmac, data, digest)}


async def make_hmac(ctx: Context, args: HmacArgs) -> dict[str, Any]:
    """Make an HMAC."""
    items = None if args.batch_input is None else batch.parse(args.batch_input, batch.InputItem)
    digest = _digest(args.urlalgorithm or args.algorithm or DEFAULT_HASH)
    key = usable(await find_current(ctx, args.name), NO_KEY)

    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        if item.input is None:
            raise BadRequest("missing input for HMAC")
        version = batch.version_of(item)
        return {"hmac": operations.mac(key, decode_input(item.input), digest, version=version)}

    if items is not None:
        results, _ = await perform(False, sum(len(item.input or "") for item in items), batch.run, items, work)
        return batch.answer(results)
    if "input" not in args.given:
        raise BadRequest("missing input for HMAC")
    data = decode_input(args.input)
    return {"hmac": operations.mac(key, data, digest, version=args.key_version)}


for _path, _handler in (("sign", sign), ("verify", verify), ("hmac", make_hmac)):
    transit.write(f"{_path}/{{name}}", effectless=True)(_handler)
    transit.write(f"{_path}/{{name}}/{{urlalgorithm:segment}}", effectless=True)(_handler)
