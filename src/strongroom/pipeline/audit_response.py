"""Audit the response: whatever became of the request, its outcome is on record before the client hears of it."""

from __future__ import annotations

from strongroom.errors import RequestError
from strongroom.pipeline.audit_request import make_exchange
from strongroom.pipeline.call import Call


async def audit_response(call: Call, error: RequestError | None) -> None:
    """Write the outcome's entry (raises `InternalError` when no device could); end a token whose last use this was."""
    try:
        broker = call.live.audits.broker
        if call.flags.unaudited or call.flags.request_entry_only or not broker.devices:
            return
        exchange = call.exchange or make_exchange(call)
        exchange.response, exchange.error = call.response, error
        await broker.response(exchange)
    finally:
        if call.token is not None and call.token.num_uses < 0:
            await call.live.tokens.after_last_use(call.token)
