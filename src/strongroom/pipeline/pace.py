"""Pace: no handler runs before all requests of the turn have come to theirs: that is quicker, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable

from strongroom.pipeline.call import Call
from strongroom.turns import ABREAST


def pace(call: Call) -> Awaitable[None] | None:
    """Let the others catch up, unless all have just waited for their entries."""
    recorded = call.exchange is not None and not call.exchange.held
    return None if recorded else ABREAST
