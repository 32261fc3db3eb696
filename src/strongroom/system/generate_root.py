"""`sys/generate-root/...`: a root token out of the key shares. No token is needed; the shares are the proof."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.generate_root import OTP_LENGTH, Attempt, decode
from strongroom.system.engine import system
from strongroom.system.flags import SHARE
from strongroom.system.rekey import ShareArgs


class AttemptArgs(Args):
    """How the token is to be hidden from whoever gives the last share."""

    otp: str = field("One-time password as long as a token; made by the server unless given.")
    pgp_key: str = field("PGP public key in base64 to encrypt the token for, instead of a one-time password.")


@system.read("generate-root/attempt", **SHARE)
async def read_attempt(ctx: SystemContext) -> Response:
    """Tell whether an attempt is under way, and how far it is."""
    return Response(bare=await _status(ctx, ctx.live.generate_root.attempt, otp_length=OTP_LENGTH))


@system.write("generate-root/attempt", **SHARE)
async def start_attempt(ctx: SystemContext, args: AttemptArgs) -> Response:
    """Begin an attempt. A one-time password that the server made is shown only now."""
    attempt = ctx.live.generate_root.start(args.otp, args.pgp_key)
    return Response(
        bare=await _status(ctx, attempt, otp="" if args.otp else attempt.otp, otp_length=OTP_LENGTH),
    )


@system.delete("generate-root/attempt", **SHARE)
async def cancel_attempt(ctx: SystemContext) -> None:
    """Give up the attempt under way."""
    ctx.live.generate_root.cancel()


@system.write("generate-root/update", **SHARE)
async def update_attempt(ctx: SystemContext, args: ShareArgs) -> Response:
    """Give one share; with the last that is needed a root token is made.

    The answer has it XORed with the one-time password, or encrypted for the PGP key; either in base64.
    """
    attempt, progress, encoded = await ctx.live.generate_root.update(args.share(), args.nonce)
    body = await _status(ctx, attempt)
    return Response(
        bare=body
        | {
            "progress": progress,
            "complete": bool(encoded),
            "encoded_token": encoded,
            "encoded_root_token": encoded,
        }
    )


class DecodeArgs(Args):
    """What an attempt has brought."""

    encoded_token: str = field("The encoded token that the last share was answered with.")
    otp: str = field("The one-time password that the attempt began with.")


@system.write("decode-token", unauthenticated=True)
async def decode_token(ctx: SystemContext, args: DecodeArgs) -> dict[str, Any]:
    """Take the one-time password off the token that an attempt has made. Nothing is asked of the server's state."""
    return {"token": decode(args.encoded_token, args.otp)}


async def _status(ctx: SystemContext, attempt: Attempt | None, *, otp: str = "", otp_length: int = 0) -> dict[str, Any]:
    return {
        "nonce": attempt.nonce if attempt else "",
        "started": attempt is not None,
        "progress": len(attempt.collected) if attempt else 0,
        "required": await ctx.core.seal.required(),
        "complete": False,
        "encoded_token": "",
        "encoded_root_token": "",
        "pgp_fingerprint": attempt.recipient.fingerprint if attempt and attempt.recipient else "",
        "otp": otp,
        "otp_length": otp_length,
    }
