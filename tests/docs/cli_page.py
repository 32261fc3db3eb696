"""docs/cli.md: the commands with their flags, from what they are declared by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from strongroom.cli import catalog
from strongroom.cli.command import ADDRESS_FLAGS, DETAILED_FLAG, FIELD_FLAG, RAW_FORMAT_FLAG, Command, Group
from strongroom.cli.flags import KINDS, Flag

PROGRAM = "vault"


def parts(table: Any, cell: Any) -> list[str]:
    """The page's sections after its head. `table` and `cell` are those of the other pages."""
    shared = [
        "## Flags that commands share\n",
        "Every command that talks to a server takes these:\n",
        _flags(ADDRESS_FLAGS, table, cell),
        "And of these what its section names under *output*:\n",
        _flags((FIELD_FLAG, RAW_FORMAT_FLAG, DETAILED_FLAG), table, cell),
    ]
    sections = [
        section
        for name in catalog.names()
        for path, command in _all([name], catalog.load(name))
        for section in _section(path, command, table, cell)
    ]
    return [*shared, *sections]


def _all(path: list[str], command: Command | Group) -> Iterator[tuple[list[str], Command | Group]]:
    yield path, command
    if isinstance(command, Group):
        for child in sorted(command.commands, key=lambda one: one.name):
            yield from _all([*path, child.name], child)


def _section(path: list[str], command: Command | Group, table: Any, cell: Any) -> Iterator[str]:
    words = " ".join([PROGRAM, *path])
    yield f"{'#' * min(len(path) + 1, 4)} {' '.join(path)}\n"
    yield f"`{f'{words} {command.usage}'.strip()}`\n"
    yield from _about(command)
    if isinstance(command, Group):
        return
    output = [f"`-{name}`" for name in ("field", "format", "detailed") if name in _output(command)]
    if output:
        yield f"*Output:* {', '.join(output)}{'; `-format=raw` too' if 'raw' in command.output else ''}\n"
    if command.flags:
        yield _flags(command.flags, table, cell)


def _output(command: Command) -> tuple[str, ...]:
    return tuple("format" if name == "raw" else name for name in command.output)


def _about(command: Command | Group) -> Iterator[str]:
    text = (command.about or command.synopsis + ".").strip("\n").replace("{prog}", PROGRAM)
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(" "):
            lines = [line.removeprefix("    ") for line in paragraph.split("\n")]
            yield "```text\n" + "\n".join(lines) + "\n```\n"
        else:
            yield paragraph + "\n"


def _flags(flags: tuple[Flag, ...], table: Any, cell: Any) -> str:
    rows = [
        (
            _spelled(flag),
            _code(flag.default),
            _code(flag.env),
            cell(flag.help),
        )
        for flag in sorted(flags)
    ]
    text: str = table(("flag", "default", "environment", "meaning"), rows)
    return text


def _spelled(flag: Flag) -> str:
    shown = KINDS[flag.kind].shown
    return ", ".join(f"`-{name}" + (f"=<{shown}>`" if shown else "`") for name in (flag.name, *flag.aliases))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
