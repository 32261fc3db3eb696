"""Signing and verifying."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.crypto.digests import DIGESTS
from strongroom.engines.transit import batch, macs, operations
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.encoding import decode_context, decode_input
from strongroom.engines.transit.engine import find, find_current, perform, transit, usable
from strongroom.engines.transit.material import SALT_AUTO, SALT_DIGEST, Scheme
from strongroom.engines.transit.model import Key
from strongroom.errors import BadRequest

#: What `verify` takes, in the order in which one wins over another.
_PROOFS = ("signature", "hmac", "cmac")


class _InputArgs(Args):
    name: Name = field("The key's name.")
    input: str = field("The input, in base64.")
    urlalgorithm: str = field("The hash, in the path; it wins over the others.")
    batch_input: Any = field("A list of objects, each with the parameters of one operation.")


class _SchemeArgs(_InputArgs):
    hash_algorithm: str = field("The hash; `none` signs the input as it is.", default=macs.DEFAULT_HASH)
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
    cmac: str = field("The CMAC, where there is neither.")
    mac_length: int = field("The CMAC's length in bytes; 0 for 16.")


def hash_name(args: _SchemeArgs) -> str:
    """The name of the hash: the path's wins over the others."""
    return args.urlalgorithm or args.hash_algorithm or args.algorithm or macs.DEFAULT_HASH


def _scheme(args: _SchemeArgs) -> Scheme:
    """How to sign; raises `BadRequest`."""
    name = hash_name(args)
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


async def sign(ctx: Context, args: SignArgs) -> dict[str, Any]:
    """Sign."""
    scheme = _scheme(args)
    items = None if args.batch_input is None else await batch.parse(ctx, args.batch_input, batch.InputItem)
    key = usable(await find_current(ctx, args.name), "signing key not found")
    algorithm = ALGORITHMS[key.type]
    if not algorithm.signs:
        raise BadRequest(f"key type {algorithm.type} does not support signing")
    if items is not None:
        work = _signs(key, scheme, args.key_version)
        results, _ = await batch.each(ctx, items, work, {"key_version": 0}, threaded=algorithm.threaded, costly=True)
        return batch.answer(results)
    text, number, public = await perform(
        ctx, algorithm.threaded, _sign_one, key, args.input, args.context, scheme, args.key_version
    )
    answer = {"signature": text, "key_version": number}
    return {**answer, "public_key": public} if public else answer


def _sign_one(key: Key, text: str, context: str, scheme: Scheme, version: int) -> tuple[str, int, str]:
    data = decode_input(text)
    return operations.sign(key, data, scheme, version=version, context=decode_context(context) if context else b"")


def _signs(key: Key, scheme: Scheme, version: int) -> Callable[[batch.InputItem, int], dict[str, Any]]:
    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        if item.input is None:
            raise BadRequest("missing input")
        text, number, public = _sign_one(key, item.input, item.context or "", scheme, version)
        result = {"signature": text, "key_version": number}
        return {**result, "publickey": public} if public else result

    return work


async def verify(ctx: Context, args: VerifyArgs) -> dict[str, Any]:
    """Verify a signature, an HMAC or a CMAC."""
    items = None if args.batch_input is None else await batch.parse(ctx, args.batch_input, batch.InputItem)
    proof = _proof(args, items)
    one = batch.InputItem(
        context=args.context, input=args.input, signature=args.signature, hmac=args.hmac, cmac=args.cmac
    )
    if proof == "hmac":
        return await macs.verify_hmacs(ctx, args.name, hash_name(args), one, items)
    if proof == "cmac":
        return await macs.verify_cmacs(ctx, args.name, args.mac_length, one, items)
    scheme = _scheme(args)
    key = usable(await find(ctx, args.name), "signature verification key not found")
    algorithm = ALGORITHMS[key.type]
    if not algorithm.signs:
        raise BadRequest(f"key type {algorithm.type} does not support verification")

    def work(item: batch.InputItem, at: int) -> dict[str, Any]:
        if item.input is None:
            raise BadRequest("missing input")
        data, context = decode_input(item.input), decode_context(item.context or "")
        return {"valid": operations.verify(key, item.signature or "", data, scheme, context=context)}

    if items is not None:
        results, _ = await batch.each(ctx, items, work, {"valid": False}, threaded=algorithm.threaded, costly=True)
        return batch.answer(results)
    return await perform(ctx, algorithm.threaded, work, one, 0)


def _proof(args: VerifyArgs, items: list[batch.InputItem] | None) -> str:
    """What is to be verified: `signature`, `hmac` or `cmac`. Raises `BadRequest` when batches do not agree on one."""
    if items is None:
        for name in _PROOFS:
            if getattr(args, name):
                return name
        raise BadRequest("neither a 'signature' nor an 'hmac' were given to verify")
    counts = {name: sum(bool(getattr(item, name)) for item in items) for name in _PROOFS}
    found = [name for name, count in counts.items() if count]
    if not found:
        raise BadRequest("no batch_input elements have 'signature' or 'hmac'")
    if len(found) > 1:
        raise BadRequest("elements of batch_input must all provide 'signature' or all provide 'hmac'")
    if counts[found[0]] < len(items):
        raise BadRequest(f"some elements of batch_input are missing '{found[0]}'")
    return found[0]


for _path, _handler in (("sign", sign), ("verify", verify)):
    transit.write(f"{_path}/{{name}}", effectless=True)(_handler)
    transit.write(f"{_path}/{{name}}/{{urlalgorithm:segment}}", effectless=True)(_handler)
