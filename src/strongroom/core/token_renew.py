"""Renewing a token: whose rules count, and what comes out.

A role is read anew, so its period and maximum of now count; a token that a login made is first shown to its auth
method, which may refuse or set other terms.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from strongroom.api.messages import Auth
from strongroom.core.lease_ttl import Grant, Terms, grant, lesser
from strongroom.core.token_model import TOKEN_MOUNT, TokenEntry
from strongroom.core.token_roles import load_role
from strongroom.errors import MULTI, BadRequest, InternalError

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.token_store import TokenStore

#: The kind under which an auth method declares what renewing its tokens means (`Engine.renew`). The function gets a
#: context whose request has `increment` (seconds) and `issue_time` (Unix nanoseconds) in its data and the certificates
#: of whom asks for the renewal, and what the login left in `Auth.internal`; it raises to refuse, or returns None or an
#: `Auth` with the terms of now.
RENEWER: Final = "token"
Shown = tuple[bytes, ...] | None


async def renew(
    live: Live, store: TokenStore, entry: TokenEntry, increment: int, certificates: Shown
) -> tuple[TokenEntry, list[str]]:
    """Renew a token by `increment` seconds, 0 for as long as it was last given.

    `certificates` are what the client that asks showed of itself (`Request.certificates`).

    Raises:
        BadRequest: it cannot be renewed, or not any more.
        InternalError: its role is gone.
    """
    check_renewable(entry)
    terms = await _terms(live, entry, increment, certificates)
    warnings: list[str] = []

    def change(current: TokenEntry) -> TokenEntry | None:
        now = live.clock.now_ns()
        if not current.lives(now):
            return None
        mine = dataclasses.replace(terms, default=terms.default or current.last_ttl)
        granted: Grant = grant(mine, current.creation_ns, now)
        warnings.extend(granted.warnings)
        return replace(current, expire_ns=granted.expire_ns, last_ttl=granted.ttl, last_renewal_ns=now)

    renewed = await store.update(entry.key, change)
    if renewed is None:
        raise BadRequest("token not found")
    return renewed, warnings


def check_renewable(entry: TokenEntry) -> None:
    """Refuse what cannot be renewed."""
    if entry.batch:
        raise BadRequest("batch tokens cannot be renewed")
    if not entry.renewable or not entry.expire_ns:
        raise BadRequest("lease is not renewable")


async def _terms(live: Live, entry: TokenEntry, increment: int, certificates: Shown) -> Terms:
    mount = live.mounts.by_path(entry.mount) or live.mounts.by_path(TOKEN_MOUNT)
    if mount is None:
        raise BadRequest("lease is not renewable")
    period, explicit = entry.period, entry.explicit_max_ttl
    default, max_ttl = 0, entry.max_ttl  # no default: what it was given last
    if entry.role and entry.mount == TOKEN_MOUNT:
        role = await load_role(live.transaction(), entry.role)
        if role is None:
            raise InternalError(
                MULTI.format(
                    f'failed to renew entry: original token role "{entry.role}" could not be found, not renewing'
                )
            )
        period, explicit = lesser(period, role.token_period), lesser(explicit, role.token_explicit_max_ttl)
    elif (renewer := mount.engine.renewers.get(RENEWER)) is not None:
        now_known = await _ask(live, mount, renewer, entry, increment, certificates)
        if now_known is not None:
            default, max_ttl = now_known.ttl, now_known.max_ttl
            period, explicit = now_known.period, now_known.explicit_max_ttl
    info = mount.info
    return Terms(info.default_lease_ttl, info.max_lease_ttl, increment, default, max_ttl, explicit, period)


async def _ask(
    live: Live, mount: Any, renewer: Any, entry: TokenEntry, increment: int, certificates: Shown
) -> Auth | None:
    async def ask(ctx: Any) -> Any:
        ctx.request.certificates = certificates
        ctx.request.data = {"increment": increment, "issue_time": entry.creation_ns}
        return await renewer(ctx, dict(entry.internal))

    answer: Auth | None = await live.on_behalf(mount, ask)
    return answer
