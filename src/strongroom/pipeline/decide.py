"""Decide: may the caller do this? The decision carries its reason; `enforce` acts on it."""

from __future__ import annotations

from strongroom.api.messages import Operation
from strongroom.errors import PermissionDenied, RequestError
from strongroom.pipeline.call import Call
from strongroom.pipeline.dispatch import make_context, parse_arguments


async def decide(call: Call) -> None:
    """Settle the operation (create or update) and judge it by the caller's policies."""
    request, token = call.request, call.token
    if token is not None:
        call.acl = await call.live.policies.acl(token.policies)
    if call.refusal is not None:
        return
    if call.route is not None and call.route.exists is not None:
        await _create_or_update(call)
    if call.flags.unauthenticated:
        return
    assert token is not None
    assert call.acl is not None
    decision = call.acl.decide(request.path, request.operation, data=request.data, wrap_ttl=request.wrap_ttl)
    call.decision = decision
    call.caller.sudo = decision.sudo
    if request.operation is Operation.HELP:
        return
    if not decision.allowed:
        call.refusal = PermissionDenied(reason=decision.reason)
    elif call.flags.sudo and not decision.sudo:
        call.refusal = PermissionDenied(reason="the path needs the sudo capability")
    elif call.flags.root_only and not call.caller.root:
        call.refusal = PermissionDenied(reason="the path needs a root token")


async def _create_or_update(call: Call) -> None:
    """Ask the engine whether what is written is there yet. What it cannot read is left for the handler to refuse."""
    route = call.route
    assert route is not None
    assert route.exists is not None
    try:
        call.arguments, call.unknown = parse_arguments(route, call.params, call.request)
        call.context = make_context(call)
        there = await route.exists(call.context, call.arguments)
    except RequestError as e:
        call.arguments_error = e
        return
    if not there:
        call.request.operation = Operation.CREATE
