"""Policies: write, read, list, delete, fmt."""

from __future__ import annotations

import os
import stat

from strongroom.cli import output
from strongroom.cli.command import Command, Group, Refused, between, deferred, exactly
from strongroom.cli.data import os_error, read_text
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run


def _write(run: Run) -> int:
    given, source = run.args
    name = given.strip().lower()
    try:
        text = run.ui.read_stdin() if source == "-" else read_text(source)
    except ValueError as error:
        raise Refused(f"Error opening policy file: {error}", 2) from None
    with run.doing("Error uploading policy"):
        secret = run.client.write(f"sys/policies/acl/{name}", {"policy": text})
    if name != given.strip():
        run.ui.warn(f'Policy name was converted from "{given.strip()}" to "{name}"')
    output.warn(run, secret)
    run.ui.out(f"Success! Uploaded policy: {name}")
    return 0


def _read(run: Run) -> int:
    name = run.args[0].strip().lower()
    with run.doing(f"Error reading policy named {name}"):
        secret = run.client.read(f"sys/policies/acl/{name}")
    text = (secret.data or {}).get("policy") if secret else None
    if not text:  # also root, whose policy is not a text
        raise Refused(f"No policy named: {name}", 2)
    if not run.table:
        return output.emit(run, {"policy": text})
    run.ui.out(str(text).strip())
    return 0


def _list(run: Run) -> int:
    with run.doing("Error listing policies"):
        secret = run.client.list("sys/policies/acl")
    names = ((secret.data if secret else None) or {}).get("keys") or []
    if not run.table:
        return output.emit(run, names)
    for name in names:
        run.ui.out(str(name))
    return 0


def _delete(run: Run) -> int:
    name = run.args[0].strip().lower()
    with run.doing(f"Error deleting {name}"):
        run.client.delete(f"sys/policies/acl/{name}")
    run.ui.out(f"Success! Deleted policy: {name}")
    return 0


def _fmt(run: Run) -> int:
    from strongroom import hcl
    from strongroom.errors import HCLError, PolicyError
    from strongroom.policy.parse import parse_policy

    path = os.path.expanduser(run.args[0])  # noqa: PTH111
    try:
        text = read_text(path)
    except ValueError as error:
        raise Refused(f"Error reading source file: {error}") from None
    try:
        parse_policy(text, "")
        formatted = hcl.format(text)
    except PolicyError as error:
        raise Refused(str(error)) from None
    except HCLError as error:
        raise Refused(f"failed to parse policy: {error}") from None
    try:
        _replace(path, formatted.encode())
    except OSError as error:
        raise Refused(f"Error writing result: open {path}: {os_error(error)}") from None
    run.ui.out(f"Success! Formatted policy: {path}")
    return 0


def _replace(path: str, content: bytes) -> None:
    """Replace a file's content at once, keeping its mode; what is no file (a pipe) is written to."""
    mode = os.stat(path).st_mode  # noqa: PTH116
    if not stat.S_ISREG(mode):
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content)
        return
    from strongroom.client.files import new_file

    with new_file(os.path.realpath(path)) as file:
        os.fchmod(file.fileno(), stat.S_IMODE(mode))
        file.write(content)


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "policy",
        "Interact with policies",
        (
            Command(
                "write",
                "Upload a named policy from a file",
                _write,
                usage="[options] NAME PATH",
                about="""
Uploads a policy from a file, or from stdin with "-". One of the same name is
replaced.

    $ {prog} policy write app-reader app-reader.hcl
    $ cat app-reader.hcl | {prog} policy write app-reader -
""",
                arity=exactly(2),
                output=(),
            ),
            Command(
                "read",
                "Print a policy",
                _read,
                usage="[options] NAME",
                about="""
Prints a policy as it was written.

    $ {prog} policy read app
    $ {prog} policy read app > app.hcl
""",
                arity=exactly(1),
            ),
            Command(
                "list",
                "List the policies",
                _list,
                usage="[options]",
                about="""
Lists the names of all policies.

    $ {prog} policy list
""",
            ),
            Command(
                "delete",
                "Delete a policy by name",
                _delete,
                usage="[options] NAME",
                about="""
Deletes a policy. Tokens that have it lose its rights at once; root and default
cannot be deleted.

    $ {prog} policy delete app
""",
                arity=exactly(1),
                output=(),
            ),
            Command(
                "fmt",
                "Format a policy on disk",
                _fmt,
                usage="[options] PATH",
                about="""
Formats a policy file in place, after checking that it is one. Nothing is sent
to a server.

    $ {prog} policy fmt app.hcl
""",
                arity=exactly(1),
                http=False,
                output=(),
            ),
            Command(
                "explain",
                "Tell which rule of which policy decides",
                deferred("policy_explain", "explain"),
                usage="[options] PATH [CAPABILITY]",
                about="""
Tells whether a token may do something with a path (read, unless CAPABILITY says
create, update, patch, delete, list or sudo), and which line of which policy
decides. Without -token and -accessor it is the token in use.

    $ {prog} policy explain secret/data/app
    $ {prog} policy explain -accessor=8609694a-... secret/data/app update

It needs "update" and "sudo" on sys/internal/explain. The exit code is 0 if it is
allowed, and 2 if not.
""",
                flags=(
                    Flag("accessor", "Accessor of the token to ask about."),
                    Flag("parameter", "Parameter of the request as key=value; may be given several times.", "map"),
                    Flag("token", "The token to ask about; - reads it from stdin, where nobody else sees it."),
                ),
                arity=between(1, 2),
            ),
        ),
        about="""
Policies say which paths a token may use, and how.

    $ {prog} policy list
    $ {prog} policy write app-reader app-reader.hcl
""",
    ),
)
