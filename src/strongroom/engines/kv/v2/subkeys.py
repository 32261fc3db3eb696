"""The shape of a secret without its values."""

from __future__ import annotations

from typing import Any

import msgspec

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.messages import Response
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import read_version
from strongroom.engines.kv.v2.merge import members
from strongroom.engines.values import PathArgs
from strongroom.errors import BadRequest, NotFound


class SubkeysArgs(PathArgs):
    """A secret, one of its versions, and how deep to look."""

    version: int = field("The version to read; 0 for the newest.")
    depth: int = field("How many levels of names to show; 0 for all.")


@kv2.read("subkeys/{path:path}", effectless=True)
async def subkeys(ctx: Context, args: SubkeysArgs) -> Any:
    """Read the names within a secret, with null in place of every value.

    A version that is deleted or destroyed answers 404 with its metadata.
    """
    found = await read_version(ctx, args.path, args.version)
    if found is None:
        raise NotFound
    if found.value is None:
        return Response(status=404, data={"subkeys": None, "metadata": found.metadata})
    try:
        names = shape(found.value, args.depth) or {}
    except RecursionError:
        raise BadRequest("the secret is nested too deeply; ask with a depth") from None
    return {"subkeys": names, "metadata": found.metadata}


def shape(value: msgspec.Raw, depth: int = 0) -> dict[str, Any] | None:
    """The names of an object with the shape of each member; None for an empty object and for any other value.

    A positive `depth` is how many levels of names there may be.
    """
    inner = members(value)
    if not inner:
        return None
    if depth == 1:
        return dict.fromkeys(inner)
    return {name: shape(member, depth - 1) for name, member in inner.items()}
