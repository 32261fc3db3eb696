"""Audit the request: on record before it is acted on, refusals included. Nothing goes on without the record."""

from __future__ import annotations

from strongroom.audit.entry import Exchange
from strongroom.pipeline.call import Call


async def audit_request(call: Call) -> None:
    """Write the request's entry; raises `InternalError` when no device could."""
    broker = call.live.audits.broker
    if call.flags.unaudited or not broker.devices:
        return
    call.exchange = exchange = make_exchange(call)
    await broker.request(exchange)


def make_exchange(call: Call) -> Exchange:
    """What the audit devices are told of the call."""
    raise NotImplementedError
