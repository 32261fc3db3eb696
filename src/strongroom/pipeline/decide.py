"""Decide: may the caller do this? The decision carries its reason; `enforce` acts on it."""

from __future__ import annotations

from strongroom.api.messages import Operation
from strongroom.errors import PermissionDenied, PolicyError, RequestError
from strongroom.pipeline.call import Call
from strongroom.pipeline.dispatch import make_context
from strongroom.policy.decision import Decision


async def decide(call: Call) -> None:
    """Settle the operation (create or update) and judge it by the caller's policies."""
    request, token = call.request, call.token
    if token is not None:
        try:
            call.acl = await call.live.policies.acl(call.caller.policies, call.identity)
        except PolicyError as e:
            if not call.flags.unauthenticated:
                # What it denied must not be allowed by the others.
                call.refusal = call.refusal or PermissionDenied(reason=f"a stored policy does not parse: {e}")
    if call.refusal is not None:
        return
    decision = None
    if call.route is not None and call.route.exists is not None:
        decision = await _create_or_update(call)
    if call.flags.unauthenticated:
        return
    assert call.acl is not None
    if request.operation is Operation.HELP:
        _decide_help(call)
        return
    call.decision = decision = decision or _judge(call, request.operation)
    call.caller.sudo = decision.sudo
    if not decision.allowed:
        call.refusal = PermissionDenied(reason=decision.reason)
    elif call.flags.sudo and not decision.sudo:
        call.refusal = PermissionDenied(reason="the path needs the sudo capability")
    elif call.flags.root_only and not call.caller.root:
        call.refusal = PermissionDenied(reason="the path needs a root token")


def _decide_help(call: Call) -> None:
    """Help is for those who may do anything at all at a mount; to others it would tell which mounts there are."""
    acl = call.acl
    assert acl is not None
    if not (acl.allows_any(call.mount.path) if call.mount is not None else acl.root):
        call.refusal = PermissionDenied(reason="help for a mount at which nothing is granted")


async def _create_or_update(call: Call) -> Decision | None:
    """Ask the engine whether what is written is there yet, if the answer makes a difference; returns the decision.

    Who may neither create nor update is refused unasked: how long it takes must not tell what exists, and the engine
    may take a lock for its answer. What the engine cannot read is left for the handler to refuse.
    """
    request, route = call.request, call.route
    assert route is not None
    create = update = None
    if not call.flags.unauthenticated:
        create, update = _judge(call, Operation.CREATE), _judge(call, Operation.UPDATE)
    there = update is None or update.allowed
    if there or create is None or create.allowed:
        try:
            call.arguments, call.unknown = route.parse(call.params, request)
            call.context = make_context(call)
            there = await route.there(call.context, call.arguments)
        except RequestError as e:
            call.arguments_error = e
    if there:
        return update
    request.operation = Operation.CREATE
    return create


def _judge(call: Call, operation: Operation) -> Decision:
    request = call.request
    assert call.acl is not None
    return call.acl.decide(request.path, operation, data=request.data, wrap_ttl=request.wrap_ttl)
