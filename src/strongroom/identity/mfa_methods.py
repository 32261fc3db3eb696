"""identity/mfa/method: the second factors that logins can be asked for. Only codes by time (TOTP) are served.

Source: Vault's documentation of login MFA.
"""

from __future__ import annotations

from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.fields import Duration
from strongroom.clock import new_uuid
from strongroom.core.context import SystemContext
from strongroom.core.mfa_model import DEFAULT_ATTEMPTS, METHOD, TOTP, Method
from strongroom.crypto import otp
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import identity
from strongroom.identity.mfa_secrets import sweep  # its routes come before those with a method's id

LOCK: Final = ("mfa", "")
OTHERS: Final = ("duo", "okta", "pingid")
MOST_KEY_BYTES: Final = 1024
MOST_PIXELS: Final = 4096
MOST_PERIOD: Final = 3600
MOST_ATTEMPTS: Final = 100
MOST_TEXT: Final = 512


class MethodId(Args):
    """Which method."""

    method_id: str = field("The method.")


class TotpArgs(MethodId):
    """Codes by time. A write replaces all of it: what is left out is its default again."""

    method_name: str = field("A name by which logins may call it.")
    issuer: str = field("What authenticator apps show as the issuer.")
    period: Duration = field("How long a code lives.", default=30)
    key_size: int = field("Bytes of the secrets that are made.", default=20)
    qr_size: int = field("Pixels of the barcode's sides; 0 for none.", default=200)
    algorithm: str = field("SHA1, SHA256 or SHA512.", default="SHA1")
    digits: int = field("6 or 8.", default=6)
    skew: int = field("How many periods before and after count too: 0 or 1.", default=1)
    max_validation_attempts: int = field("How many wrong codes of an entity are looked at in a row.", default=5)


class KindArgs(Args):
    """A kind of methods, or one of them: they stand in the same place of a path."""

    kind: str = field("What the methods are; to read one, its id.")


class OtherArgs(KindArgs):
    """A method of another kind."""

    method_id: str = field("The method.")


# -- Reading -----------------------------------------------------------------------------------------------------------


@identity.list("mfa/method")
async def list_methods(ctx: SystemContext) -> dict[str, Any]:
    """List all methods."""
    return _listed(list(ctx.live.mfa.methods.values()))


@identity.list("mfa/method/{kind}")
async def list_kind(ctx: SystemContext, args: KindArgs) -> dict[str, Any]:
    """List the methods of one kind."""
    return _listed([method for method in ctx.live.mfa.methods.values() if method.type == args.kind])


def _listed(methods: list[Method]) -> dict[str, Any]:
    if not methods:
        raise NotFound
    return {"keys": [method.id for method in methods], "key_info": {method.id: shown(method) for method in methods}}


@identity.read("mfa/method/{kind}")
async def read_any(ctx: SystemContext, args: KindArgs) -> dict[str, Any]:
    """Read a method of any kind, by its id."""
    return shown(_known(ctx, args.kind))


@identity.read("mfa/method/totp/{method_id}")
async def read_totp(ctx: SystemContext, args: MethodId) -> dict[str, Any]:
    """Read a method."""
    return shown(_known(ctx, args.method_id))


def _known(ctx: SystemContext, method_id: str) -> Method:
    method = ctx.live.mfa.methods.get(method_id)
    if method is None:
        raise NotFound
    return method


def shown(method: Method) -> dict[str, Any]:
    """A method as it is read back."""
    return {
        "algorithm": method.algorithm,
        "digits": method.digits,
        "id": method.id,
        "issuer": method.issuer,
        "key_size": method.key_size,
        "max_validation_attempts": method.max_validation_attempts,
        "name": method.name,
        "namespace_id": "root",
        "namespace_path": "",
        "period": method.period,
        "qr_size": method.qr_size,
        "skew": method.skew,
        "type": method.type,
    }


# -- Writing -----------------------------------------------------------------------------------------------------------


@identity.write("mfa/method/totp")
async def create(ctx: SystemContext, args: TotpArgs) -> dict[str, Any]:
    """Create a method, or change the one of this name; the answer has its id."""
    await ctx.lock(*LOCK)
    old = ctx.live.mfa.method(args.method_name) if args.method_name else None
    method = _method(args, old.id if old else new_uuid())
    _store(ctx, method)
    return {"method_id": method.id}


@identity.write("mfa/method/totp/{method_id}")
async def update(ctx: SystemContext, args: TotpArgs) -> None:
    """Change a method. Secrets that were made before stay as they are."""
    await ctx.lock(*LOCK)
    old = _known(ctx, args.method_id)
    name = args.method_name or old.name
    other = ctx.live.mfa.method(name) if name else None
    if other is not None and other.id != old.id:
        raise BadRequest(f"a login MFA method configuration with the method name {name} already exists")
    args.method_name = name
    _store(ctx, _method(args, old.id))


@identity.delete("mfa/method/totp/{method_id}")
async def delete(ctx: SystemContext, args: MethodId) -> None:
    """Delete a method that no enforcement uses, with all secrets that were made with it."""
    await ctx.lock(*LOCK)
    mfa = ctx.live.mfa
    if args.method_id not in mfa.methods:
        return
    users = [name for name, each in mfa.enforcements.items() if args.method_id in each.mfa_method_ids]
    if users:
        raise BadRequest(f"methodID is still used by an enforcement configuration with name: {', '.join(users)}")
    ctx.transaction.delete(METHOD + args.method_id)
    ctx.after_commit(mfa.load)
    sweep(ctx, args.method_id)


for _pattern in ("mfa/method/{kind}", "mfa/method/{kind}/{method_id}"):

    @identity.write(_pattern)
    async def refuse(ctx: SystemContext, args: OtherArgs) -> None:
        """Refuse a method of a kind that is not served."""
        known = (
            f"MFA methods of type {args.kind} are not supported" if args.kind in OTHERS else "unknown MFA method type"
        )
        raise BadRequest(f"{known}; use {TOTP}")


def _store(ctx: SystemContext, method: Method) -> None:
    ctx.transaction.store(METHOD + method.id, method)
    ctx.after_commit(ctx.live.mfa.load)


def _method(args: TotpArgs, method_id: str) -> Method:
    """The method as it would be stored; raises `BadRequest`."""
    if args.algorithm not in otp.ALGORITHMS:
        raise BadRequest("unrecognized algorithm")
    if args.digits not in otp.DIGITS:
        raise BadRequest("digits can only be 6 or 8")
    if not 0 < args.period <= MOST_PERIOD:
        raise BadRequest(
            "period must be greater than zero" if args.period <= 0 else f"period is at most {MOST_PERIOD} s"
        )
    if args.skew not in (0, 1):
        raise BadRequest("skew must be 0 or 1")
    if not args.issuer:
        raise BadRequest("issuer must be set")
    if len(args.issuer) > MOST_TEXT or len(args.method_name) > MOST_TEXT:
        raise BadRequest(f"issuer and method_name have at most {MOST_TEXT} characters")
    if any(sign in args.method_name for sign in ":,"):
        raise BadRequest("method_name must have neither ':' nor ','")
    for name, least, most in (
        ("key_size", 1, MOST_KEY_BYTES),
        ("qr_size", 0, MOST_PIXELS),
        ("max_validation_attempts", 0, MOST_ATTEMPTS),
    ):
        if not least <= getattr(args, name) <= most:
            raise BadRequest(f"{name} must be from {least} to {most}")
    return Method(
        id=method_id,
        issuer=args.issuer,
        name=args.method_name,
        period=args.period,
        key_size=args.key_size,
        qr_size=args.qr_size,
        algorithm=args.algorithm,
        digits=args.digits,
        skew=args.skew,
        max_validation_attempts=args.max_validation_attempts or DEFAULT_ATTEMPTS,
    )
