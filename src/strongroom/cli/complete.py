"""What could come next on a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from strongroom.cli import catalog
from strongroom.cli.command import Command, Group, Refused
from strongroom.cli.complete_sources import Words, files, for_argument, for_flag, programs
from strongroom.cli.flags import Flag, by_name
from strongroom.cli.run import Run
from strongroom.cli.typed import Typed, read_line, written
from strongroom.client.errors import ClientError

#: Nobody waits longer for a Tab.
SECONDS = 3.0


def answer(run: Run) -> int:
    """Print what the last word of the line could become, one a line; nothing when anything is amiss.

    Bash puts the answer on the line as it is, so it gets it quoted; the others quote themselves, and show the
    description that stands behind a tab.
    """
    line = run.args[0] if run.args else ""
    typed = read_line(line, run.flags.text("breaks").translate({ord(mark): None for mark in " \t\n\"'"}))
    words = typed._replace(words=typed.words[1:] or [""])
    for word, about in sorted(in_time(run, words.words).items()):
        if word.startswith(words.words[-1]) and (shown := _shown(run.flags.text("shell"), words, word, about)):
            run.ui.out(shown)
    return 0


def _shown(shell: str, typed: Typed, word: str, about: str) -> str | None:
    if shell == "bash":
        return written(word[typed.kept :], typed.quote)
    if not word.isprintable():
        return None
    return f"{word}\t{about}" if about else word


def in_time(run: Run, words: list[str]) -> Mapping[str, str]:
    """The candidates that are known soon: a name server or a token helper may take for ever."""
    import threading

    found: dict[str, str] = {}

    def look() -> None:
        try:
            known = candidates(run, words)
        except (ClientError, Refused):
            return
        found.update(known if isinstance(known, Mapping) else dict.fromkeys(known, ""))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(SECONDS)
    return {} if looking.is_alive() else found


def candidates(run: Run, words: list[str]) -> Words:
    """What the last of the words could become, with what it means; more is given than begins like it."""
    *before, current = words
    if not before:
        return {name: catalog.load(name).synopsis for name in catalog.names()}
    path, command, rest = catalog.find(before)
    if command is None:
        return ()
    if isinstance(command, Group):
        return {child.name: child.synopsis for child in command.commands} if not rest else ()
    if "--" in rest:
        return _program(path, rest, current)
    known = by_name(command.all_flags())
    arguments, waiting = _arguments(known, rest, anywhere=command.flags_anywhere)
    if waiting is not None:
        return for_flag(run, path, waiting, current)
    if current.startswith("-") and (command.flags_anywhere or not arguments):
        return _flags(run, path, command, current)
    return for_argument(run, path, arguments, current)


def _program(path: list[str], rest: list[str], current: str) -> Iterable[str]:
    """What stands behind two dashes is another program's."""
    if path != ["run"]:
        return ()
    return programs(current) if rest[-1] == "--" else files(current)


def _arguments(known: dict[str, Flag], words: list[str], *, anywhere: bool) -> tuple[list[str], Flag | None]:
    """What stands there beside flags, and the flag that still waits for its value."""
    rest, arguments = list(words), list[str]()
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or len(word) < 2:
            arguments.append(word)
            if not anywhere:
                break
            continue
        name, equals, _ = word.lstrip("-").partition("=")
        flag = known.get(name)
        if flag is not None and flag.kind != "bool" and not equals:
            if not rest:
                return [], flag
            rest.pop(0)
    return arguments + rest, None


def _flags(run: Run, path: list[str], command: Command, current: str) -> Words:
    dashes = "--" if current.startswith("--") else "-"
    name, equals, begun = current.lstrip("-").partition("=")
    if equals:
        flag = by_name(command.all_flags()).get(name)
        values: Any = for_flag(run, path, flag, begun) if flag else ()
        return {f"{dashes}{name}={value}": "" for value in values}
    return {
        f"{dashes}{flag.name}" + ("" if flag.kind == "bool" else "="): flag.help.partition(". ")[0].rstrip(".")
        for flag in command.all_flags()
    }
