"""`sys/monitor`: the server's log as it happens."""

from __future__ import annotations

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core import log_stream
from strongroom.core.context import SystemContext
from strongroom.core.log_levels import LEVELS
from strongroom.core.log_lines import FORMATS
from strongroom.errors import BadRequest, TooManyRequests
from strongroom.system.engine import system

_CONTENT = {"standard": "text/plain; charset=utf-8", "json": "application/json"}


class MonitorArgs(Args):
    """What to show."""

    log_level: str = field("From which level up: trace, debug, info, warn or error.", default="info")
    log_format: str = field("`standard` or `json`; without, as the server logs.")


@system.read("monitor", no_wrap=True)
async def monitor(ctx: SystemContext, args: MonitorArgs) -> Response:
    """Stream the server's log, line by line, until the reader leaves, the token ends or the server is sealed."""
    level = args.log_level.lower() or "info"
    if level not in LEVELS:
        raise BadRequest(f"log_level: unknown log level: {level[:64]}")
    style = args.log_format.lower() or ctx.core.config.log_format
    if style not in FORMATS:
        raise BadRequest(f"log_format: unknown log format: {style[:64]}")
    watcher = log_stream.watch(LEVELS[level], style)
    if watcher is None:
        raise TooManyRequests(f"{log_stream.MOST_WATCHERS} others watch the log already")
    live, token = ctx.live, ctx.token_entry

    async def may_go_on() -> bool:
        if ctx.core.live is not live:
            return False
        return token is None or token.batch or await live.tokens.by_key(token.key) is not None

    return Response(bare=watcher.lines(may_go_on), content_type=_CONTENT[style])
