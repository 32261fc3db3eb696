"""Audit the response: whatever became of the request, its outcome is on record before the client hears of it."""

from __future__ import annotations

from strongroom.errors import BadRequest, RequestError
from strongroom.pipeline.audit_request import make_exchange
from strongroom.pipeline.call import Call


async def audit_response(call: Call, error: RequestError | None) -> None:
    """Write the outcome's entry; raises `InternalError` when no device could."""
    broker = call.live.audits.broker
    if call.flags.unaudited or call.flags.request_entry_only or not broker.devices:
        return
    if isinstance(error, BadRequest) and not error.kind and call.mount is not None and call.mount.backend.privileged:
        # The server's own engines name the class of their refusals; others only word them.
        error.kind = "invalid request"
    exchange = call.exchange or make_exchange(call)
    exchange.response, exchange.error = call.response, error
    await broker.response(exchange)
