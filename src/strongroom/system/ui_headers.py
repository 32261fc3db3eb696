"""`sys/config/ui/headers`: the headers of the user interface's pages."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest, NotFound
from strongroom.system.engine import system

#: RFC 9110: what a header's name is made of, and what its value may hold (neither line ends nor other controls).
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_CSP: Final = "content-security-policy"
_NULL: Final = msgspec.Raw(b"null")


class HeaderArgs(Args):
    """A header by its name."""

    header: str = field("The header's name, in any case.")


class ReadArgs(HeaderArgs):
    """A header to read."""

    multivalue: bool = field("Answer with all values, and not with the first.")


class WriteArgs(HeaderArgs):
    """A header to set."""

    # Not a comma list: a value may hold commas.
    values: list[str] = field("The header's values.")


@system.list("config/ui/headers", sudo=True)
async def list_headers(ctx: SystemContext) -> dict[str, Any]:
    """List the headers that are set."""
    names = list(ctx.live.ui_headers.all)
    if not names:
        raise NotFound
    return {"keys": names}


@system.read("config/ui/headers/{header:segment}", sudo=True)
async def read_header(ctx: SystemContext, args: ReadArgs) -> dict[str, Any]:
    """Read a header."""
    values = ctx.live.ui_headers.get(args.header)
    if not values:
        raise NotFound
    return {"values": list(values)} if args.multivalue else {"value": values[0]}


@system.write("config/ui/headers/{header:segment}", sudo=True)
async def write_header(ctx: SystemContext, args: WriteArgs) -> Response:
    """Set a header of the user interface's pages."""
    if not args.values:
        raise BadRequest("header and values must be specified")
    if args.header.lower().startswith("x-vault-"):
        raise BadRequest("X-Vault headers cannot be set")
    if not _NAME.fullmatch(args.header):
        raise BadRequest("the header's name holds characters that no header's name may")
    if not all(_VALUE.fullmatch(value) for value in args.values):
        raise BadRequest("a value holds characters that no header's value may")
    await ctx.lock("config", "ui-headers")
    entry = ctx.live.ui_headers.store(ctx.transaction, args.header, args.values)
    ctx.after_commit(partial(ctx.live.ui_headers.apply, entry))
    if args.header.lower() == _CSP:
        ctx.warn("overriding default Content-Security-Policy which is secure by default, proceed with caution")
    return Response(data=_NULL)


@system.delete("config/ui/headers/{header:segment}", sudo=True)
async def delete_header(ctx: SystemContext, args: HeaderArgs) -> None:
    """Set a header no more; it need not have been."""
    await ctx.lock("config", "ui-headers")
    entry = ctx.live.ui_headers.store(ctx.transaction, args.header, ())
    ctx.after_commit(partial(ctx.live.ui_headers.apply, entry))
