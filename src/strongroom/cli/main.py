"""The entry point: which command, which format, and how it ends."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from strongroom.cli import flags
from strongroom.cli.catalog import ABSENT, find, load, names
from strongroom.cli.command import Command, Group, Refused
from strongroom.cli.ui import UI

if TYPE_CHECKING:
    from types import ModuleType

FORMATS = {"table": "table", "json": "json", "yaml": "yaml", "yml": "yaml", "raw": "raw", "pretty": "pretty"}
_HELP = frozenset({"-h", "-help", "--help"})
#: Errors of writing: a full disk, a quota, a limit, a broken disk.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_VERSION = frozenset({"-v", "-version", "--version"})


def main() -> int:
    """Run the command line of this process; returns the exit code."""
    _open_streams()
    try:
        return _execute()
    finally:
        try:
            sys.stderr.flush()
        except OSError:
            _write_no_more(sys.stderr)


def _execute() -> int:
    env = os.environ
    ui = UI(sys.stdin, sys.stdout, sys.stderr, env)
    try:
        code = execute(sys.argv[1:], ui, env, os.path.basename(sys.argv[0]) or "vault")  # noqa: PTH119
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _write_no_more(sys.stdout)  # the reader has enough
        return 141
    except Exception as error:
        if env.get("STRONGROOM_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            _write_no_more(sys.stdout)
            ui.error(f"Error writing the output: {(error.strerror or '').lower()}")
            return 1
        # Only the kind of error: its text might hold a secret.
        ui.error(f"Internal error: {type(error).__name__}. Set STRONGROOM_DEBUG=1 to see where.")
        return 1
    return code


def _open_streams() -> None:
    """UTF-8 everywhere; a stream that was closed is one that holds nothing, lest a file or socket gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 (open to the end)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def _write_no_more(stream: TextIO) -> None:
    """Nothing may be written any more, not even by the interpreter on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def execute(words: list[str], ui: UI, env: Mapping[str, str], prog: str) -> int:
    """Run one command line; returns the exit code."""
    before, rest = _split(words)
    asked_for_help = any(word in _HELP for word in _until_dashes(words))
    if not rest:
        if any(word in _VERSION for word in before):
            rest = ["version"]
        else:
            return _top(ui, prog, 0 if asked_for_help else 127)
    if rest[0] == "help":
        rest, asked_for_help = rest[1:], True
        if not rest:
            return _top(ui, prog, 0)
    path, command, rest = find(rest)
    if command is None:
        if rest[0] in ABSENT:
            ui.error(ABSENT[rest[0]])
            return 127
        _suggest(ui, rest[0], names())
        return _top(ui, prog, 0 if asked_for_help else 127)
    if asked_for_help:
        ui.out(_usage().command_help(command, path, prog), end="")
        return 0
    if [word for word in before if word not in _VERSION]:
        text = "Invalid flags before the subcommand. If these flags are for\nthe subcommand, "
        ui.error(f"{text}please put them after the subcommand.\n\n{_usage().command_help(command, path, prog)}")
        return 1
    if isinstance(command, Group):
        if rest and not rest[0].startswith("-"):
            _suggest(ui, rest[0], [child.name for child in command.commands])
        ui.error(_usage().command_help(command, path, prog).rstrip("\n"))
        return 1
    return _run(command, rest, ui, env, prog)


def _run(command: Command, words: list[str], ui: UI, env: Mapping[str, str], prog: str) -> int:
    from strongroom.client.errors import ClientError, NotSent

    shown_instead = [name for name in ("output-curl-string", "output-policy") if _is_given(words, name)]
    try:
        return _start(command, words, shown_instead, ui, env, prog)
    except flags.FlagError as error:
        ui.error(str(error))
        if error.hint:
            ui.warn(f"\n{error.hint}")
        return 1
    except NotSent as preview:
        ui.out(preview.text)
        return 0
    except Refused as refused:
        if refused.message:
            # Errors of the API end in blank lines, which only set apart what nothing follows.
            ui.error(refused.message.rstrip("\n") if refused.hint else refused.message)
        if refused.hint:
            ui.warn(f"\n{refused.hint}")
        if shown_instead:
            what = "cURL" if "output-curl-string" in shown_instead else "policy"
            ui.error(f"Unable to generate {what} string from command")
            return 1
        return refused.code
    except ClientError as error:
        ui.error(str(error))
        return 2
    except EOFError as error:
        ui.error(f"An error occurred attempting to ask for input: {error}")
        return 1


def _start(
    command: Command, words: list[str], shown_instead: list[str], ui: UI, env: Mapping[str, str], prog: str
) -> int:
    from strongroom.cli.run import Run

    format_name = (_format(words) or env.get("VAULT_FORMAT") or "table").lower()
    if format_name not in FORMATS:
        raise Refused(f"Invalid output format: {format_name}")
    known = command.all_flags()
    values, arguments = flags.parse(known, words, anywhere=command.flags_anywhere)
    if format_name == "raw" and "raw" not in command.output:
        raise Refused("This command does not support the -format=raw option.")
    for name in shown_instead:
        if name in flags.by_name(known):
            values.set(flags.by_name(known)[name], "true")
    # After two dashes nothing was meant as a flag of ours.
    if format_name == "table" and "--" not in words and (late := flags.misplaced(arguments)):
        ui.error(
            "Command flags must be provided before positional arguments. "
            f"The following arguments will not be parsed as flags: [{','.join(late)}]"
        )
    command.arity.check(len(arguments))
    return command.run(Run(command, values, arguments, ui, env, prog, FORMATS[format_name]))


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """The flags in front, and from the command on."""
    for place, word in enumerate(words):
        if word and word[0] != "-":
            return words[:place], words[place:]
    return words, []


def _until_dashes(words: list[str]) -> list[str]:
    return words[: words.index("--")] if "--" in words else words


def _is_given(words: list[str], name: str) -> bool:
    wanted = (f"-{name}", f"--{name}")
    return any(
        word in wanted or word.split("=", 1) in ([one, "true"] for one in wanted) for word in _until_dashes(words)
    )


def _format(words: list[str]) -> str:
    """The last `-format` wherever it stands, or ""."""
    found, wanted = "", False
    for word in _until_dashes(words):
        if wanted:
            found, wanted = word, False
        elif word in ("-format", "--format"):
            wanted = True
        elif word.startswith(("-format=", "--format=")):
            found = word.split("=", 1)[1]
    return found


def _top(ui: UI, prog: str, code: int) -> int:
    text = _usage().top_help(load, names(), prog)
    if code:
        ui.error(text.rstrip("\n"))
    else:
        ui.out(text, end="")
    return code


def _suggest(ui: UI, word: str, known: list[str]) -> None:
    import difflib

    close = difflib.get_close_matches(word, known, n=2, cutoff=0.7)
    ui.error(f'There is no command "{word}".' + (f" Did you mean {' or '.join(close)}?" if close else "") + "\n")


def _usage() -> ModuleType:
    from strongroom.cli import usage

    return usage


if __name__ == "__main__":
    sys.exit(main())
