"""Commit: what the request wrote becomes durable, together; only then do others see it and the client hear of it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable

from strongroom.core.context import SystemContext
from strongroom.core.unbroken import to_the_end
from strongroom.errors import NoRoute
from strongroom.pipeline.call import Call


def commit(call: Call) -> Awaitable[None] | None:
    """Commit the transaction, then run what waited for that; a cancelled request does both to the end."""
    context = call.context
    if not call.leases and not call.transaction.pending and not (isinstance(context, SystemContext) and context.after):
        return None
    return _commit(call)


async def _commit(call: Call) -> None:
    for lease in call.leases:
        call.live.leases.confirm(call.transaction, lease.id)
    if call.transaction.pending:
        if call.mount is not None and call.live.mounts.by_uuid(call.mount.entry.uuid) is None:
            raise NoRoute(call.request.path)  # unmounted meanwhile: nobody would ever find or remove what it wrote
        if call.exchange is not None and call.exchange.held:
            await call.live.audits.broker.release(call.exchange)  # nothing changes before it is on record
        if isinstance(call.context, SystemContext):
            await to_the_end(_finish(call, call.context))
        else:
            # Storage lets nobody go before the outcome is there, and nothing comes after it.
            await call.transaction.commit()
    elif isinstance(call.context, SystemContext) and call.context.after:
        await to_the_end(_finish(call, call.context))


async def _finish(call: Call, context: SystemContext) -> None:
    await call.transaction.commit()
    failed: Exception | None = None
    for action in context.after:
        try:
            result = action()
            if inspect.isawaitable(result):
                await result
        except Exception as e:
            # The change is durable: the others must learn of it all the same.
            failed = failed or e
    if failed is not None:
        raise failed
