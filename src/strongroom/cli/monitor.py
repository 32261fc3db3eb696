"""The server's log as it happens."""

from __future__ import annotations

from strongroom.cli.command import Command, Group, Refused
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run

LEVELS = ("trace", "debug", "info", "warn", "error")
_FORMATS = ("standard", "json")


def _monitor(run: Run) -> int:
    level = (run.flags.text("log-level") or "info").lower()
    style = (run.flags.text("log-format") or "standard").lower()
    if level not in LEVELS:
        raise Refused(f"{level} is an unknown log level. Valid log levels are: {', '.join(LEVELS)}")
    if style not in _FORMATS:
        raise Refused(f"{style} is an unknown log format. Valid log formats are: {', '.join(_FORMATS)}")
    try:
        with run.doing("Error monitoring the server"):
            for line in run.client.lines("sys/monitor", {"log_level": level, "log_format": style}):
                run.ui.raw(line)
    except KeyboardInterrupt:
        return 0  # nothing else ends it when all is well
    raise Refused("The server has ended the stream: it stopped or was sealed, or the token is no longer valid", 2)


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "monitor",
        "Stream the server's log",
        _monitor,
        usage="[options]",
        about="""
Prints what the server logs, line by line as it happens, until it is interrupted.
It may show more than the server's own log: that one stays at its level. Lines that
come faster than they are read are dropped, and their number is told.

    $ {prog} monitor
    $ {prog} monitor -log-level=debug -log-format=json
""",
        flags=(
            Flag("log-format", "Format of the lines: standard or json.", default="standard"),
            Flag("log-level", "Show from this level up: trace, debug, info, warn or error.", default="info"),
        ),
        output=(),
    ),
)
