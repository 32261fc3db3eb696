"""`run`: a program with secrets in its environment. They are on no disk, and in no process's arguments."""

from __future__ import annotations

import os
import re

from strongroom.cli import dotenv
from strongroom.cli.command import Command, Group, Refused, at_least
from strongroom.cli.data import os_error
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run

#: Variables by which whoever may write the secret would decide what the program is, not only what it knows.
_TAKING_OVER = re.compile(
    r"PATH|LD_.*|DYLD_.*|GCONV_PATH|IFS|ENV|BASH_.*|SHELLOPTS|PS4|PROMPT_COMMAND|PYTHON.*|PERL5?(OPT|LIB|DB)|RUBY(OPT|LIB)"
    r"|NODE_OPTIONS|NODE_PATH|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|GIT_.*|CLASSPATH|EDITOR|PAGER"
)


def _run(run: Run) -> int:
    if not run.flags.list("secret"):
        raise Refused("Name at least one secret with -secret")
    given: dict[str, str] = {}
    for word in run.flags.list("secret"):
        given |= _variables(run, word)
    run.ui.stdout.flush()
    program = run.args[0]
    try:
        os.execvpe(program, run.args, {**run.env, **given})  # noqa: S606 (the user names the program)
    except FileNotFoundError:
        raise Refused(f"Error running {program}: no such program", 127) from None
    except (OSError, ValueError) as error:
        why = os_error(error) if isinstance(error, OSError) else "an argument or a variable has a NUL character"
        raise Refused(f"Error running {program}: {why}", 126) from None


def _variables(run: Run, word: str) -> dict[str, str]:
    """A secret's keys as variables."""
    from strongroom.cli.kv_files import plain, secret_at
    from strongroom.cli.kv_paths import locate

    found = {}
    for key, value in secret_at(run, locate(run, word)).items():
        name = run.flags.text("prefix") + (_upper(key) if run.flags.bool("upper") else key)
        if not dotenv.NAME.fullmatch(name):
            raise Refused(f'The key "{key}" of {word} cannot be the name of a variable; -upper makes it one')
        if _TAKING_OVER.fullmatch(name):
            raise Refused(f'The key "{key}" of {word} would change which program runs; give it a -prefix')
        found[name] = plain(value)
        if "\0" in found[name]:
            raise Refused(f'The value of "{key}" of {word} has a NUL character, which no variable can hold')
    return found


def _upper(key: str) -> str:
    """`db-password` → `DB_PASSWORD`."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", key).upper()
    return f"_{name}" if name[:1].isdigit() else name


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "run",
        "Run a program with secrets in its environment",
        _run,
        usage="[options] -secret=PATH -- PROGRAM [ARGS...]",
        about="""
Reads secrets of the key/value engine and becomes the program, with their keys
as environment variables: its exit code and signals are its own. Nothing is
written to disk, and other users do not see the values.

    $ {prog} run -secret=secret/app -- ./server --port 8080
    $ {prog} run -upper -prefix=APP_ -secret=secret/app -- sh -c 'echo $APP_X'

Keys that decide which code runs (PATH, LD_PRELOAD and the like) are refused.
""",
        flags=(
            Flag("mount", "Path of the KV engine; then -secret is only the key below it."),
            Flag("prefix", "What the names of the variables begin with."),
            Flag("secret", "Path of a secret; may be given several times, and the later one counts.", "list"),
            Flag("upper", "Write the names in capitals, with underscores for all that is no letter or digit.", "bool"),
        ),
        arity=at_least(1, "a program after --"),
        output=(),
    ),
)
