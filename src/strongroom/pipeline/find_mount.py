"""Mount lookup: which engine, and which of its routes. What is not found is said only to those who may know."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from strongroom.api.messages import Operation
from strongroom.api.routes import Flags
from strongroom.errors import NoRoute, RequestError, UnsupportedOperation
from strongroom.pipeline.call import NO_FLAGS, Call
from strongroom.turns import own_task


def find_mount(call: Call) -> Awaitable[None] | None:
    """Find the mount and the route. What may take its time goes on in a task of its own."""
    request = call.request
    found = call.live.mounts.find(request.path)
    if found is None:
        call.route_error = NoRoute(request.path)
        return None
    call.mount, call.subpath = found
    if request.operation is Operation.HELP:
        return None
    try:
        call.route, call.params = call.mount.engine.match(call.subpath, request.operation)
    except RequestError as e:
        call.route_error = e
        call.flags = _of_others(call)
    else:
        call.flags = call.route.flags
        if request.path in request.open_paths:
            call.flags = replace(call.flags, unauthenticated=True)
    return None if call.flags.effectless or call.flags.light else own_task()


def _of_others(call: Call) -> Flags:
    """What still holds when the path exists, but not for this operation.

    Neither status endpoints nor logins ask anybody for a token.
    """
    assert call.mount is not None
    others = call.mount.engine.at(call.subpath) if isinstance(call.route_error, UnsupportedOperation) else ()
    terse = any(route.flags.terse for route in others)
    wrapping = any(route.flags.wrapping for route in others)
    login = any(route.flags.login for route in others)
    if not (terse or wrapping or login):
        return NO_FLAGS
    return Flags(unauthenticated=terse or login, unaudited=terse, wrapping=wrapping)
