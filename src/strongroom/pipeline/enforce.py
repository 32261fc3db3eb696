"""Enforce: raise what was decided, now that it is on record."""

from __future__ import annotations

from strongroom.pipeline.call import Call


def enforce(call: Call) -> None:
    """Refuse what was refused; then, to those who may ask, what does not exist."""
    if call.refusal is not None:
        raise call.refusal
    if call.route_error is not None:
        raise call.route_error
    if call.arguments_error is not None:
        raise call.arguments_error
