"""Wrap: put the answer into a cubbyhole and hand out the token for it."""

from __future__ import annotations

from collections.abc import Awaitable

from strongroom.api.messages import Response
from strongroom.pipeline.call import Call


def wrap(call: Call) -> Awaitable[None] | None:
    """Wrap a successful answer that has content, if the request asks for that."""
    request, response = call.request, call.response
    assert response is not None
    if not request.wrap_ttl or response.empty or response.bare is not None or call.flags.no_wrap or response.wrap:
        return None
    if response.status >= 400 or (response.data is None and response.auth is None and response.lease is None):
        return None
    return _wrap(call, response)


async def _wrap(call: Call, response: Response) -> None:
    request = call.request
    info = await call.live.wrapping.wrap(call.transaction, request, response, request.wrap_ttl)
    call.response = Response(wrap=info, warnings=[])
