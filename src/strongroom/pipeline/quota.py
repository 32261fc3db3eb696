"""Quota: refuse clients that come too often, before anything is done for them. Without rules this costs nothing."""

from __future__ import annotations

import math
from collections.abc import Awaitable

from strongroom.api.context import Caller
from strongroom.api.routes import Flags
from strongroom.core.mounts import Mount
from strongroom.core.rate_limiter import NANO, Verdict
from strongroom.errors import TooManyRequests
from strongroom.pipeline.audit_request import audit_request
from strongroom.pipeline.call import Call

#: A refusal is audited here or not at all: else a flood of requests would be a flood of entries.
_ON_RECORD = Flags(unaudited=True)


def quota(call: Call) -> Awaitable[None] | None:
    """Count the request against the rule that it falls under; raises `TooManyRequests`."""
    return _count(call) if call.live.quotas.table.rules else None


async def _count(call: Call) -> None:
    quotas, request = call.live.quotas, call.request
    if quotas.exempt(request.path):
        return
    found = call.live.mounts.find(request.path)
    if found is None:
        rule = quotas.table.find("", request.path)
    else:
        mount, path = found
        role = await _role(call, mount, path) if quotas.table.by_role(mount.entry.uuid) else ""
        rule = quotas.table.find(mount.entry.uuid, path, role)
    if rule is None:
        return
    verdict = rule.limiter.take(request.remote_address, int(call.live.clock.monotonic() * NANO))
    if quotas.config.headers:
        call.headers = _headers(verdict, call.live.clock.now())
    if not verdict.allowed:
        await _refuse(call, verdict)


async def _role(call: Call, mount: Mount, path: str) -> str:
    """The role that a login names; "" for what is no login."""
    if mount.engine.role_of is None:
        return ""
    context = call.live.context(mount, call.request, call.transaction, call.held, caller=Caller())
    return await mount.engine.role_of(context, path)


async def _refuse(call: Call, verdict: Verdict) -> None:
    error = TooManyRequests(
        f'request path "{call.request.path}": rate limit quota exceeded',
        kind="rate limit quota exceeded",
        headers={"Retry-After": str(max(math.ceil(verdict.wait), 1))},
    )
    if call.live.quotas.config.audit:
        call.refusal = error
        if (recorded := audit_request(call)) is not None:
            await recorded
    call.flags = _ON_RECORD
    raise error


def _headers(verdict: Verdict, now: float) -> dict[str, str]:
    return {
        "X-Ratelimit-Limit": str(verdict.limit),
        "X-Ratelimit-Remaining": str(verdict.remaining),
        "X-Ratelimit-Reset": str(math.ceil(now + verdict.reset)),
    }
