"""`sys/init`."""

from __future__ import annotations

import base64
from typing import Final

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.system.engine import system
from strongroom.system.flags import STATUS

#: What only seals take that unseal by themselves.
RECOVERY: Final = ("recovery_shares", "recovery_threshold", "recovery_pgp_keys")


class InitArgs(Args):
    """How the unseal key is split."""

    secret_shares: int = field("Number of shares to split the unseal key into.")
    secret_threshold: int = field("Number of shares that it takes to unseal.")
    pgp_keys: list[str] = field("PGP public keys in base64, one for each share, to encrypt the shares for.")
    root_token_pgp_key: str = field("PGP public key in base64 to encrypt the root token for.")
    stored_shares: int = field("Taken for old clients' sake; it has no effect.", deprecated=True)
    recovery_shares: int = field("Number of shares of the recovery key; only for seals that unseal by themselves.")
    recovery_threshold: int = field("Number of recovery shares that it takes; only for such seals.")
    recovery_pgp_keys: list[str] = field("PGP public keys to encrypt the recovery shares for; only for such seals.")


@system.read("init", **STATUS)
async def read_init(ctx: SystemContext) -> Response:
    """Tell whether the server is initialised."""
    return Response(bare={"initialized": await ctx.core.seal.initialised()})


@system.write("init", **STATUS)
async def init(ctx: SystemContext, args: InitArgs) -> Response:
    """Initialise the server.

    Answers with the shares of the unseal key and the first root token. Neither is kept or can be shown again. With PGP
    keys the shares are messages that decrypt to the share in hex, and the root token is a message in base64.
    """
    if given := [name for name in RECOVERY if getattr(args, name)]:
        kind = (await ctx.core.seal.status()).type
        raise BadRequest(f"parameters {','.join(given)} not applicable to seal type {kind}")
    made = await ctx.core.seal.init(
        args.secret_shares,
        args.secret_threshold,
        pgp_keys=args.pgp_keys,
        root_token_pgp_key=args.root_token_pgp_key,
    )
    return Response(bare={**key_texts(made.shares), "root_token": made.root_token})


def key_texts(shares: list[bytes]) -> dict[str, list[str]]:
    """Shares, or messages with a share, as answers write them."""
    return {
        "keys": [share.hex() for share in shares],
        "keys_base64": [base64.b64encode(share).decode() for share in shares],
    }
