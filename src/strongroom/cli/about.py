"""What concerns this program only."""

from __future__ import annotations

from strongroom import VAULT_VERSION, __version__
from strongroom.cli.command import ANY, Command, Group
from strongroom.cli.run import Run


def _version(run: Run) -> int:
    # Programs look for the second word.
    run.ui.out(f"Vault v{VAULT_VERSION} (Strongroom {__version__})")
    return 0


def _print_token(run: Run) -> int:
    run.ui.out(run.token())
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "version",
        "Print the version",
        _version,
        usage="",
        about="""
Prints the version of this program: of Vault's API that it speaks, and its own. It
asks no server; "{prog} status" has the server's version.

    $ {prog} version
""",
        http=False,
        output=(),
        arity=ANY,
    ),
    Group(
        "print",
        "Print what is in use",
        (
            Command(
                "token",
                "Print the token in use",
                _print_token,
                about="""
Prints the token that commands would use: VAULT_TOKEN, else the one of the context in
use, else the one that "login" has stored.

    $ {prog} print token
""",
                http=False,
                output=(),
                arity=ANY,
            ),
        ),
        about="Prints values that commands would use now.",
        usage="<subcommand>",
    ),
)
