"""The database engine: proving a connection."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Command, Group, Refused, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run

_SIGNS = {True: "✓", False: "✗", None: "-"}


def _check(run: Run) -> int:
    name, mount = run.args[0].strip("/"), run.flags.text("mount").strip("/") or "database"
    body = {"role": role} if (role := run.flags.text("role")) else {}
    with run.doing("Error checking"):
        secret = run.client.write(f"{mount}/check/{name}", body, method="POST")
    data = (secret.data if secret else None) or {}
    if secret is None:
        raise Refused("Vault returned an empty secret", 2)
    if secret.wrap_info is not None:
        return output.show_secret(run, secret)
    if not run.table or run.field:
        output.show_secret(run, secret)
    else:
        steps = [step for step in data.get("steps") or () if isinstance(step, dict)]
        run.ui.out("\n".join(line for step in steps for line in _lines(step)))
    return 0 if data.get("ok") else 2


def _lines(step: dict[str, Any]) -> list[str]:
    """A step, and beneath it what was refused and why."""
    of = f" ({step['role']})" if step.get("role") else ""
    lines = [f"{_SIGNS.get(step.get('ok'), '-')} {step.get('step')}{of}"]
    if step.get("error"):
        lines.append(f"    {step['error']}")
    if step.get("statement"):
        lines.append(f"    statement {step.get('number')}: {step['statement']}")
    return lines


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "database",
        "Interact with the database engine",
        (
            Command(
                "check",
                "Prove a connection step by step",
                _check,
                usage="[options] NAME",
                about="""
Connects to a database, makes a user for each of its roles, logs in as it, renews
it and removes it again; of a static role it finds out whether the password works.
Says which step failed, and which statement, in the database's own words.

    $ {prog} database check app
    $ {prog} database check -role=readonly app

It needs "update" on the mount's check/NAME. The exit code is 0 if all steps
succeeded, and 2 if not.
""",
                flags=(
                    Flag("mount", "Path where the engine is mounted.", default="database"),
                    Flag("role", "Role or static role to check; all of the connection's without it."),
                ),
                arity=exactly(1),
            ),
        ),
        about="""
Finds out whether connections and roles work, before somebody needs them.

    $ {prog} database check app
""",
    ),
)
