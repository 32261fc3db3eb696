"""`sys/rekey/...`: new shares of the unseal key for old. No token is needed; the shares are the proof."""

from __future__ import annotations

import base64
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.recipients import BACKUP_KEY, ShareBackup
from strongroom.core.rekey import Plan
from strongroom.core.shares import decode_share
from strongroom.errors import BadRequest
from strongroom.storage.base import Batch
from strongroom.system.engine import system
from strongroom.system.flags import SHARE
from strongroom.system.init import key_texts

NO_BACKUP: Final = "no backed-up keys found"


class RekeyArgs(Args):
    """How the new key is split."""

    secret_shares: int = field("Number of shares to split the new key into.")
    secret_threshold: int = field("Number of shares that it will take to unseal.")
    pgp_keys: list[str] = field("PGP public keys in base64, one for each share, to encrypt the new shares for.")
    backup: bool = field("Whether the server keeps the encrypted shares, for `sys/rekey/backup`.")
    require_verification: bool = field("Whether the new shares must be shown before they replace the old ones.")


class ShareArgs(Args):
    """One share."""

    key: str = field("One share, in hex or base64.")
    nonce: str = field("The nonce of the attempt that the share is meant for.")

    def share(self) -> bytes:
        """The share's bytes; raises `BadRequest` when there are none."""
        if not self.key:
            raise BadRequest("'key' must be specified in request body as JSON")
        return decode_share(self.key)


@system.read("rekey/init", **SHARE)
async def read_rekey(ctx: SystemContext) -> Response:
    """Tell whether a rekey is under way, and how far it is."""
    return Response(bare=await _status(ctx, ctx.live.rekey.plan))


@system.write("rekey/init", **SHARE)
async def start_rekey(ctx: SystemContext, args: RekeyArgs) -> Response:
    """Begin a rekey. Nothing changes until enough shares of the present key are given."""
    plan = await ctx.live.rekey.start(
        args.secret_shares,
        args.secret_threshold,
        verify=args.require_verification,
        pgp_keys=args.pgp_keys,
        backup=args.backup,
    )
    return Response(bare=await _status(ctx, plan))


@system.delete("rekey/init", **SHARE)
async def cancel_rekey(ctx: SystemContext) -> None:
    """Give up the rekey under way; the present shares stay good."""
    ctx.live.rekey.cancel()


@system.write("rekey/update", **SHARE)
async def update_rekey(ctx: SystemContext, args: ShareArgs) -> Response:
    """Give one share of the present key; with the last that is needed the new shares are handed out."""
    plan, shares = await ctx.live.rekey.update(args.share(), args.nonce)
    if not shares:
        return Response(bare=await _status(ctx, plan))
    return Response(
        bare={
            "nonce": plan.nonce,
            "complete": True,
            **key_texts(shares),
            "pgp_fingerprints": plan.fingerprints,
            "backup": plan.backup,
            **_verification(plan),
        }
    )


@system.read("rekey/verify", **SHARE)
async def read_verification(ctx: SystemContext) -> Response:
    """Tell how many of the new shares have been shown."""
    return Response(bare=_shown(ctx.live.rekey.plan))


@system.write("rekey/verify", **SHARE)
async def verify_rekey(ctx: SystemContext, args: ShareArgs) -> Response:
    """Show one of the new shares; with the last that is needed they replace the old ones."""
    plan, complete = await ctx.live.rekey.verify(args.share(), args.nonce)
    return Response(bare={"nonce": plan.verification_nonce, "complete": True} if complete else _shown(plan))


@system.delete("rekey/verify", **SHARE)
async def restart_verification(ctx: SystemContext) -> Response:
    """Start the showing of the new shares over, under a new nonce."""
    return Response(bare=_shown(ctx.live.rekey.restart_verification() if ctx.live.rekey.plan else None))


async def _status(ctx: SystemContext, plan: Plan | None) -> dict[str, Any]:
    return {
        "nonce": plan.nonce if plan else "",
        "started": plan is not None,
        "t": plan.threshold if plan else 0,
        "n": plan.shares if plan else 0,
        "progress": len(plan.collected) if plan else 0,
        "required": await ctx.core.seal.required(),
        "pgp_fingerprints": plan.fingerprints if plan else None,
        "backup": plan.backup if plan else False,
        **_verification(plan),
    }


def _verification(plan: Plan | None) -> dict[str, Any]:
    body: dict[str, Any] = {"verification_required": plan is not None and plan.verification_required}
    if plan and plan.verification_nonce:
        body["verification_nonce"] = plan.verification_nonce
    return body


def _shown(plan: Plan | None) -> dict[str, Any]:
    if plan is None:
        raise BadRequest("no rekey configuration found")
    return {
        "nonce": plan.verification_nonce,
        "started": bool(plan.verification_nonce),
        "t": plan.threshold,
        "n": plan.shares,
        "progress": len(plan.shown),
    }


# -- Backups of PGP-encrypted shares ---------------------------------------------------------------------------------


@system.read("rekey/backup")
async def read_backup(ctx: SystemContext) -> Response:
    """Read the PGP-encrypted shares of the last rekey that was to keep them, by the fingerprint of their key."""
    stored = await ctx.core.storage.get(BACKUP_KEY)
    if stored is None:
        raise BadRequest(NO_BACKUP)
    backup = ShareBackup.decode(stored)
    return Response(
        {
            "nonce": backup.nonce,
            "keys": backup.keys,
            "keys_base64": {
                fingerprint: [base64.b64encode(bytes.fromhex(message)).decode() for message in messages]
                for fingerprint, messages in backup.keys.items()
            },
        },
        flat=True,
    )


@system.delete("rekey/backup")
async def delete_backup(ctx: SystemContext) -> None:
    """Delete the PGP-encrypted shares that the server keeps."""
    await ctx.core.storage.commit(Batch(deletes={BACKUP_KEY}, fence=ctx.core.barrier.fence))


# -- Recovery keys, which seals have that unseal by themselves ---------------------------------------------------------


@system.read("rekey/recovery-key-backup")
async def read_recovery_backup(ctx: SystemContext) -> None:
    """Read the PGP-encrypted shares of the last rekey of the recovery key."""
    raise BadRequest(NO_BACKUP)


@system.delete("rekey/recovery-key-backup")
async def delete_recovery_backup(ctx: SystemContext) -> None:
    """Delete the PGP-encrypted shares of the last rekey of the recovery key."""


@system.read("rekey-recovery-key/{step:segment}", **SHARE)
@system.write("rekey-recovery-key/{step:segment}", **SHARE)
@system.delete("rekey-recovery-key/{step:segment}", **SHARE)
async def rekey_recovery(ctx: SystemContext) -> None:
    """Rekey the recovery key, which only seals have that unseal by themselves."""
    raise BadRequest("recovery rekeying not supported")
