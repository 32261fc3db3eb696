"""Audit the request: on record before anything comes of it, refusals included. Nothing goes on without the record."""

from __future__ import annotations

from collections.abc import Awaitable

from strongroom.audit.entry import Exchange, Identity
from strongroom.core.tokens import TokenEntry
from strongroom.memo import remember
from strongroom.pipeline.call import Call

#: How many tokens' identities are kept at hand.
IDENTITIES = 1024


def audit_request(call: Call) -> Awaitable[None] | None:
    """Write the request's entry; raises `InternalError` when no device could."""
    broker = call.live.audits.broker
    if call.flags.unaudited or not broker.devices:
        return None
    call.exchange = exchange = make_exchange(call)
    if call.flags.effectless and call.refusal is None and not call.request.wrap_ttl and not call.request.large:
        broker.hold(exchange)
        return None
    return broker.request(exchange)


def make_exchange(call: Call) -> Exchange:
    """What the audit devices are told of the call."""
    token, decision, mount = call.token, call.decision, call.mount
    exchange = Exchange(call.request, error=call.refusal)
    if token is not None:
        exchange.identity = _identity(call, token)
    elif call.flags.wrapping and call.request.token:
        exchange.identity = Identity()  # a spent wrapping token is nobody's, and yet what the entry is about
    if decision is not None:
        exchange.allowed = call.refusal is None
        exchange.granting = decision.granting
    elif call.flags.unauthenticated and call.refusal is None:
        exchange.allowed = True  # to everybody: by no policy
    if mount is not None:
        exchange.mount = mount.info
        exchange.non_hmac_request_keys = mount.non_hmac_request
        exchange.non_hmac_response_keys = mount.non_hmac_response
    return exchange


def _identity(call: Call, token: TokenEntry) -> Identity:
    """Who asks; the same object as long as nothing about the token and its entity changes."""
    known, key = call.live.audits.identities, token.key
    policies, inherited = call.caller.policies, call.identity.policies if call.identity is not None else ()
    found = known.get(key)
    if found is not None and found[0] is token:
        who = found[1]
        if (who.policies, who.identity_policies, who.remaining_uses) == (policies, inherited, call.uses_left):
            return who
    who = Identity(
        accessor=token.accessor,
        display_name=token.display_name,
        policies=policies,
        token_policies=token.policies,
        identity_policies=inherited,
        metadata=token.meta,
        entity_id=token.entity_id,
        token_type=token.type,
        ttl=token.last_ttl,
        issue_time=token.creation_ns,
        remaining_uses=call.uses_left,
    )
    remember(known, key, (token, who), IDENTITIES)
    return who
