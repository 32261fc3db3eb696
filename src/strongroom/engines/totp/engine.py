"""Time-based one-time passwords: the server as an authenticator app, and as the one who checks codes.

key/<name>          one `TotpKey`
used/<name>         `Used`: the codes of that name that were checked lately
"""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Duration, format_duration
from strongroom.api.routes import Engine
from strongroom.crypto import barcode, otp, otp_url
from strongroom.errors import BadRequest, NotFound, UnsupportedPath

totp: Engine[Context] = Engine("totp", help="Time-based one-time passwords: keys, codes, and their validation.")

_NAME = re.compile(r"\w(?:[\w.@-]*\w)?", re.ASCII)
_NANO = 10**9
MOST_KEY_BYTES = 1024
MOST_PIXELS = 4096
#: So many wrong codes of a name are remembered beside the right ones.
MOST_WRONG = 100


class TotpKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key. `period` is in seconds; `skew` how many periods before and after count too."""

    secret: bytes
    v: int = 1
    issuer: str = ""
    account: str = ""
    period: int = 30
    algorithm: str = "SHA1"
    digits: int = 6
    skew: int = 1

    def __repr__(self) -> str:
        return f"TotpKey({self.issuer!r}, {self.account!r})"


class UsedCode(msgspec.Struct, frozen=True, array_like=True):
    """A code that was checked; until `until_ns` (Unix time) it is refused."""

    code: str
    until_ns: int
    valid: bool


class Used(msgspec.Struct, frozen=True):
    """The codes of a name that were checked lately, oldest first. They outlive the key."""

    codes: tuple[UsedCode, ...] = ()
    v: int = 1

    def __repr__(self) -> str:
        return f"Used({len(self.codes)} codes)"


class NameArgs(Args):
    """A key."""

    name: str = field("The key's name.")


class ListArgs(Args):
    """Which part of the names."""

    after: str = field("Only names that come after this one.")
    limit: int = field("At most this many names; 0 for all.")


class KeyArgs(NameArgs):
    """A key to make or to bring along."""

    generate: bool = field("Whether to make the key here.")
    exported: bool = field("Whether the answer has the URL and barcode of a key made here.", default=True)
    key_size: int = field("Bytes of a key made here.", default=20)
    qr_size: int = field("Pixels of the barcode's sides; 0 for none.", default=200)
    skew: int = field("How many periods before and after count too: 0 or 1.", default=1)
    issuer: str = field("Who issues the key.")
    account_name: str = field("Whose account it is.")
    period: Duration = field("How long a code lives.", default=30)
    algorithm: str = field("SHA1, SHA256 or SHA512.", default="SHA1")
    digits: int = field("6 or 8.", default=6)
    key: str = field("A key made elsewhere, in base32.")
    url: str = field("A key made elsewhere, as an `otpauth://` URL.")


class CodeArgs(NameArgs):
    """A code to check."""

    code: str = field("The code.")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UnsupportedPath
    return name


@totp.list("keys")
async def list_keys(ctx: Context, args: ListArgs) -> dict[str, Any]:
    """The names of all keys."""
    names = await ctx.storage.list("key/", args.after, max(args.limit, 0))
    if not names:
        raise NotFound
    return {"keys": names}


@totp.read("keys/{name:segment}")
async def read_key(ctx: Context, args: NameArgs) -> dict[str, Any]:
    """What a key is for; never its secret."""
    key = await ctx.storage.load(f"key/{_checked(args.name)}", TotpKey)
    if key is None:
        raise NotFound
    return {
        "account_name": key.account,
        "algorithm": key.algorithm,
        "digits": key.digits,
        "issuer": key.issuer,
        "period": key.period,
    }


@totp.delete("keys/{name:segment}")
async def delete_key(ctx: Context, args: NameArgs) -> None:
    """Delete a key. The codes that were checked under its name stay refused."""
    ctx.storage.delete(f"key/{_checked(args.name)}")


@totp.write("keys/{name:segment}")
async def write_key(ctx: Context, args: KeyArgs) -> dict[str, Any] | None:
    """Make a key, or bring one along; it replaces one of the same name."""
    path = f"key/{_checked(args.name)}"
    if args.generate and args.key:
        raise BadRequest("a key should not be passed if generate is true")
    if args.generate and args.url:
        raise BadRequest("a url should not be passed if generate is true")
    if args.url:
        _take_url(args)
    _check(args)
    secret = _new_secret(args) if args.generate else _given_secret(args)
    key = TotpKey(
        secret=secret,
        issuer=args.issuer,
        account=args.account_name,
        period=args.period,
        algorithm=args.algorithm,
        digits=args.digits,
        skew=args.skew,
    )
    answer = await _shown(key, args.qr_size) if args.generate and args.exported else None
    ctx.storage.store(path, key)
    return answer


def _take_url(args: KeyArgs) -> None:
    url = otp_url.parse_url(args.url)
    args.key, args.issuer, args.account_name = url.key, url.issuer, url.account
    args.period = args.period if url.period is None else url.period
    args.digits = args.digits if url.digits is None else url.digits
    args.algorithm = url.algorithm or args.algorithm


def _check(args: KeyArgs) -> None:
    if args.digits not in otp.DIGITS:
        raise BadRequest("the digits value can only be 6 or 8")
    if args.algorithm not in otp.ALGORITHMS:
        raise BadRequest("the algorithm value is not valid")
    if args.period <= 0:
        raise BadRequest("the period value must be greater than zero")
    if args.skew not in (0, 1):
        raise BadRequest("the skew value must be 0 or 1")
    if args.qr_size < 0:
        raise BadRequest("the qr_size value must be greater than or equal to zero")
    if args.qr_size > MOST_PIXELS:
        raise BadRequest(f"the qr_size value must not be greater than {MOST_PIXELS}")
    if args.key_size <= 0:
        raise BadRequest("the key_size value must be greater than zero")
    if args.key_size > MOST_KEY_BYTES:
        raise BadRequest(f"the key_size value must not be greater than {MOST_KEY_BYTES}")


def _new_secret(args: KeyArgs) -> bytes:
    if not args.account_name:
        raise BadRequest("the account_name value is required for generated keys")
    if not args.issuer:
        raise BadRequest("the issuer value is required for generated keys")
    return os.urandom(args.key_size)


def _given_secret(args: KeyArgs) -> bytes:
    if not args.key:
        raise BadRequest("the key value is required")
    return otp_url.decode_key(args.key)


async def _shown(key: TotpKey, pixels: int) -> dict[str, Any]:
    url = otp_url.make_url(
        key.issuer, key.account, key.secret, period=key.period, digits=key.digits, algorithm=key.algorithm
    )
    if not pixels:
        return {"url": url}
    return {"barcode": await asyncio.to_thread(barcode.png, url, pixels), "url": url}


async def _known(ctx: Context, name: str) -> TotpKey:
    key = await ctx.storage.load(f"key/{_checked(name)}", TotpKey)
    if key is None:
        raise BadRequest(f"unknown key: {name}")
    return key


@totp.read("code/{name:segment}")
async def read_code(ctx: Context, args: NameArgs) -> dict[str, Any]:
    """The code of this moment; reading does not use it up."""
    key = await _known(ctx, args.name)
    now = int(ctx.clock.now())
    counter = otp.counter_at(now, key.period)
    return {
        "code": otp.hotp(key.secret, counter, key.digits, key.algorithm),
        "expire_time": (counter + 1) * key.period,
        "generated": now,
        "period": format_duration(key.period),
    }


@totp.write("code/{name:segment}")
async def validate_code(ctx: Context, args: CodeArgs) -> dict[str, Any]:
    """Check a code. Each counts once, and wrong ones are remembered too: who guesses has no second try with one."""
    if not args.code:
        raise BadRequest("the code value is required")
    await ctx.lock("code", args.name)
    key = await _known(ctx, args.name)
    code = args.code.strip()
    if len(code) != key.digits:
        raise BadRequest("invalid number of digits for the code")
    path, now_ns = f"used/{args.name}", ctx.clock.now_ns()
    used = await ctx.storage.load(path, Used) or Used()
    recent = [entry for entry in used.codes if entry.until_ns > now_ns]
    if any(entry.code == code for entry in recent):
        raise BadRequest("code already used; wait until the next time period")
    counter = otp.counter_at(now_ns // _NANO, key.period)
    valid = otp.matches(key.secret, code, counter, key.digits, key.algorithm, key.skew)
    until_ns = now_ns + (2 + key.skew) * key.period * _NANO
    recent.append(UsedCode(code, until_ns, valid))
    wrong = [entry for entry in recent if not entry.valid]
    forgotten = set(wrong[:-MOST_WRONG])
    ctx.storage.store(path, Used(tuple(entry for entry in recent if entry not in forgotten)))
    return {"valid": valid}
