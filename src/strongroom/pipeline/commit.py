"""Commit: what the request wrote becomes durable, together; only then do others see it and the client hear of it."""

from __future__ import annotations

import inspect
import logging

from strongroom.core.context import SystemContext
from strongroom.errors import StrongroomError
from strongroom.pipeline.call import Call

log = logging.getLogger("strongroom.core")


async def commit(call: Call) -> None:
    """Commit the transaction, then run what waited for that."""
    for lease in call.leases:
        call.live.leases.confirm(call.transaction, lease.id)
    if call.transaction.pending:
        await call.transaction.commit()
    if isinstance(call.context, SystemContext):
        for action in call.context.after:
            result = action()
            if inspect.isawaitable(result):
                await result


async def give_up(call: Call) -> None:
    """Forget what a failed request wrote, and undo the leases that it took ahead of its work."""
    call.transaction.discard()
    for lease in call.leases:
        try:
            await call.live.leases.abandon(lease.id)
        except StrongroomError as e:
            # The lease is durable and pending: the next start revokes it, or its own end does.
            log.warning("the lease %s of a failed request could not be given up yet: %s", lease.id, e)
