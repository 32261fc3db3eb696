"""Mount lookup: which engine, and which of its routes. What is not found is said only to those who may know."""

from __future__ import annotations

from strongroom.api.messages import Operation
from strongroom.errors import NoRoute, RequestError
from strongroom.pipeline.call import Call


async def find_mount(call: Call) -> None:
    """Find the mount and the route, and whether a write would create."""
    request = call.request
    found = call.live.mounts.find(request.path)
    if found is None:
        call.route_error = NoRoute(request.path)
        return
    call.mount, call.subpath = found
    if request.operation is Operation.HELP:
        return
    try:
        call.route, call.params = call.mount.engine.match(call.subpath, request.operation)
    except RequestError as e:
        call.route_error = e
    else:
        call.flags = call.route.flags
