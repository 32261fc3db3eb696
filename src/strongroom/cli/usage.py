"""Help, from the declarations."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable

from strongroom.cli.command import ADDRESS_FLAGS, Command, Group
from strongroom.cli.flags import KINDS, Flag

_WIDTH = 80
_COMMON = ("read", "write", "delete", "list", "login", "server", "status", "unwrap")


def top_help(load: Callable[[str], Command | Group], names: list[str], prog: str) -> str:
    """The list of all commands."""
    common = [load(name) for name in _COMMON]
    others = [load(name) for name in names if name not in _COMMON]
    return (
        f"Usage: {prog} <command> [args]\n\nCommon commands:\n{_listed(common)}\n\nOther commands:\n{_listed(others)}\n"
    )


def command_help(command: Command | Group, path: list[str], prog: str) -> str:
    """A command's or group's page; ends with a newline."""
    name = " ".join([prog, *path])
    first = f"Usage: {name} {command.usage}".rstrip()
    about = (command.about or command.synopsis + ".").strip("\n").replace("{prog}", prog)
    parts = [first, *map(_paragraph, about.split("\n\n"))]
    if isinstance(command, Group):
        parts.append(f"Subcommands:\n{_listed(command.commands)}")
    else:
        sections = (
            ("HTTP Options:", ADDRESS_FLAGS if command.http else ()),
            ("Output Options:", command.output_flags()),
            ("Command Options:", command.flags),
        )
        parts += [f"{title}\n\n{_flags(flags)}" for title, flags in sections if flags]
    return "\n\n".join(parts) + "\n"


def _paragraph(text: str) -> str:
    """Wrapped; examples, which are indented, stay as they are."""
    if text.startswith(" "):
        return textwrap.indent(text, "  ")
    return textwrap.fill(text, _WIDTH - 1, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _listed(commands: Iterable[Command | Group]) -> str:
    rows = sorted((command.name, command.synopsis) for command in commands)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"    {name.ljust(width)}    {synopsis}" for name, synopsis in rows)


def _flags(flags: tuple[Flag, ...]) -> str:
    return "\n\n".join(_flag(flag) for flag in sorted(flags))


def _flag(flag: Flag) -> str:
    shown = KINDS[flag.kind].shown
    spelled = ", ".join(f"-{name}" + (f"=<{shown}>" if shown else "") for name in (flag.name, *flag.aliases))
    text = flag.help
    if flag.default:
        text += f" The default is {flag.default}."
    if flag.env:
        text += f" Environment: {flag.env}."
    body = textwrap.fill(text, _WIDTH - 2, initial_indent="      ", subsequent_indent="      ", break_on_hyphens=False)
    return f"  {spelled}\n{body}"
