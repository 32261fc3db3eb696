"""The engine that the database modules declare their routes on, and how its failures are worded."""

from __future__ import annotations

from typing import Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.api.routes import Engine
from strongroom.errors import MULTI, InternalError, NotFound

database: Engine[Context] = Engine(
    "database", help="Database users that are made on demand and removed when their time is over."
)


class Failed(InternalError):
    """500 with a text: a well-formed request that the configuration or the database does not let succeed.

    `text` is the failure's own words, without the frame that clients know around it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(MULTI.format(text))
        self.text = text


class NameArgs(Args):
    """A name."""

    name: Name = field("The name.")


async def listed(ctx: Context, prefix: str) -> dict[str, list[str]]:
    """The names below a prefix, as a list answers them."""
    keys = await ctx.storage.list(prefix)
    if not keys:
        raise NotFound
    return {"keys": keys}


def strip(statements: list[str]) -> tuple[str, ...]:
    """Statements as they are kept: a single text without the blanks around it."""
    return (statements[0].strip(),) if len(statements) == 1 and statements[0].strip() else tuple(statements)


SECONDS_NS: Final = 1_000_000_000
