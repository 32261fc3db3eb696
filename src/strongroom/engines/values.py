"""What engines share that keep one JSON object under each path, as it was written: KV and the cubbyhole."""

from __future__ import annotations

from typing import Any

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.context import StorageView
from strongroom.api.messages import Request
from strongroom.errors import BadRequest, NotFound


class PathArgs(Args):
    """The path of a secret."""

    path: str = field("The path of the secret, below the mount.")


class ListArgs(Args):
    """The path of a folder, and which part of its names."""

    path: str = field("The folder, below the mount; empty for the top.")
    after: str = field("Only names that come after this one.")
    limit: int = field("At most this many names; 0 for all.")


def is_name(path: str) -> bool:
    """Whether a secret can have this path: it is not empty and not a folder's."""
    return path != "" and path[-1] != "/"


def check_writable(path: str) -> None:
    """Refuse to write under a path that no secret can have."""
    if not is_name(path):
        raise BadRequest("cannot write to a path ending in '/'")


def body_of(request: Request) -> bytes:
    """A request's whole body as a JSON object: the values as they were written, of a repeated name the last.

    Raises:
        BadRequest: there is nothing in it.
    """
    if not request.data:
        raise BadRequest("missing data fields")
    return msgspec.json.encode({name: request.raw.get(name, value) for name, value in request.data.items()})


async def names_below(storage: StorageView, root: str, args: ListArgs) -> list[str]:
    """The names one level below a folder of `root` (which ends in a slash), in byte order."""
    folder = f"{root}{args.path}/" if args.path else root
    return await storage.list(folder, args.after, max(args.limit, 0))


def listing(names: list[str]) -> dict[str, Any]:
    """The answer to a list; one without names is 404."""
    if not names:
        raise NotFound
    return {"keys": names}
