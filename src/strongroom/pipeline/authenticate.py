"""Authenticate: who asks. A limited use is spent here, durably, before the work that it pays for."""

from __future__ import annotations

from dataclasses import replace

from strongroom.api.context import Caller
from strongroom.errors import BadToken
from strongroom.pipeline.call import Call


async def authenticate(call: Call) -> None:
    """Find the request's token; a missing or bad one is a refusal unless the endpoint needs none."""
    request, tokens = call.request, call.live.tokens
    if call.flags.wrapping:
        refusal = call.refusal = await call.live.wrapping.verify(request)
        if refusal is not None:
            # Nothing has been looked at but the token, so there is no outcome beyond this: one entry says all.
            refusal.kind = refusal.kind or refusal.errors[0]
            call.flags = replace(call.flags, request_entry_only=True)
            return
    if not request.token:
        _refuse(call, "the request has no token")
        return
    entry = await tokens.lookup(request.token)
    if entry is None:
        _refuse(call, "the token is unknown, expired or revoked")
        return
    if entry.bound_cidrs and not tokens.permits(entry, request.remote_address):
        _refuse(call, "the token is bound to other addresses")
        return
    if entry.entity_id:
        # Suspends only when the entity is not in memory; tokens without one pay nothing.
        call.identity = view = await call.live.identity.view(entry.entity_id)
        if view is None or view.entity.disabled:
            call.identity = None
            _refuse(call, f"the entity {entry.entity_id} is {'gone' if view is None else 'disabled'}")
            return
    call.uses_left = entry.num_uses
    if entry.num_uses and not call.flags.unauthenticated:
        used = await tokens.use(entry)
        if used is None:
            _refuse(call, "the token's last use is spent")
            return
        entry = used
    call.token = entry
    if (entry.entity_id or entry.policies) not in call.live.activity.seen:
        call.live.activity.note(entry)
    call.caller = Caller(
        accessor=entry.accessor,
        display_name=entry.display_name,
        policies=entry.policies if call.identity is None else call.identity.with_policies(entry.policies),
        entity_id=entry.entity_id,
        identity=call.identity,
        type=entry.type,
        root="root" in entry.policies,
        key=entry.key,
    )


def _refuse(call: Call, reason: str) -> None:
    if not call.flags.unauthenticated:
        call.refusal = BadToken(reason=reason)
