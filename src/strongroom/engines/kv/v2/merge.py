"""JSON merge patch (RFC 7396) over JSON text.

Only the objects that a patch reaches into are taken apart; every other value is carried over as text. So no number is
ever read, and none can lose a digit.
"""

from __future__ import annotations

from typing import Final

import msgspec

from strongroom.errors import BadRequest

Raw = msgspec.Raw

_EMPTY: Final[dict[str, Raw]] = {}
_members = msgspec.json.Decoder(dict[str, Raw]).decode


def members(value: Raw) -> dict[str, Raw] | None:
    """The members of an object, in order; None for any other value."""
    return _members(value) if bytes(value)[:1] == b"{" else None


def merge_patch(target: Raw, patch: Raw) -> Raw:
    """The target with the patch applied: null removes, objects merge, all else replaces. New members come last.

    Raises:
        BadRequest: the patch is nested more deeply than can be followed.
    """
    try:
        return _merge(target, patch)
    except RecursionError:
        raise BadRequest("the patch is nested too deeply") from None


def _merge(target: Raw, patch: Raw) -> Raw:
    changes = members(patch)
    if changes is None:
        return patch
    result = dict(members(target) or _EMPTY)
    for name, value in changes.items():
        if bytes(value) == b"null":
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name, Raw(b"null")), value)
    return Raw(msgspec.json.encode(result))
