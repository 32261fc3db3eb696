"""Auth methods: enable, disable, help, list, move, tune."""

from __future__ import annotations

from typing import Any

from strongroom.cli import auth_insight, mounts, output
from strongroom.cli.command import Command, Group, at_least, exactly
from strongroom.cli.data import clean_path, mount_path
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.durations import go_duration

_LOCKOUT = (
    Flag("user-lockout-counter-reset-duration", "How long after a failed login it is forgotten.", "duration"),
    Flag("user-lockout-disable", "Lock no names after failed logins.", "bool"),
    Flag("user-lockout-duration", "How long a name stays locked.", "duration"),
    Flag("user-lockout-threshold", "Number of failed logins that lock a name.", "int"),
)
_TOKEN_TYPE = Flag("token-type", "Type of its tokens: default-service, default-batch, service or batch.")


def _enable(run: Run) -> int:
    with run.doing(f"Error enabling {run.args[0].strip()} auth"):
        kind, path = mounts.enable(run, "sys/auth")
    run.ui.out(f"Success! Enabled {kind} auth method at: {path}")
    return 0


def _disable(run: Run) -> int:
    path = mount_path(run.args[0])
    with run.doing(f"Error disabling auth method at {path}"):
        run.client.delete(f"sys/auth/{path.rstrip('/')}")
    run.ui.out(f"Success! Disabled the auth method (if it existed) at: {path}")
    return 0


def _help(run: Run) -> int:
    path = clean_path(run.args[0])
    with run.doing("Error retrieving help"):
        answer = run.client.get_json(f"auth/{path}", {"help": "1"})
    run.ui.out(str(answer.get("help") or "").rstrip("\n"))
    return 0


def _list(run: Run) -> int:
    with run.doing("Error listing enabled authentications"):
        found = mounts.mounts_at(run, "sys/auth")
    if not run.table:
        return output.show_data(run, found)
    if run.detailed:
        return mounts.show_mounts(run, found, ("Token Type", lambda config: config.get("token_type") or ""))
    header = ["Path", "Type", "Accessor", "Description"]
    rows = [
        [path, *(str(mount.get(name) or "") for name in ("type", "accessor", "description"))]
        for path, mount in found.items()
    ]
    if any("plugin_version" in mount for mount in found.values()):
        header.append("Version")
        for row in rows:
            row.append(str(found[row[0]].get("plugin_version") or ""))
    run.ui.out(output.table(header, rows))
    return 0


def _move(run: Run) -> int:
    return mounts.move(run, "auth method", mount_path(run.args[0]), mount_path(run.args[1]), "auth/")


def _lockout_of(run: Run) -> dict[str, Any]:
    """When failed logins lock a name, as far as it was given."""
    flags, config = run.flags, dict[str, Any]()
    if flags.given("user-lockout-threshold"):
        config["lockout_threshold"] = str(flags.int("user-lockout-threshold"))
    for name in ("duration", "counter-reset-duration"):
        if flags.given(f"user-lockout-{name}"):
            config[f"lockout_{name.replace('-', '_')}"] = go_duration(flags.int(f"user-lockout-{name}"))
    if flags.given("user-lockout-disable"):
        config["lockout_disable"] = flags.bool("user-lockout-disable")
    return {"user_lockout_config": config} if config else {}


def _tune(run: Run) -> int:
    path = mount_path(run.args[0])
    with run.doing(f"Error tuning auth method {path}"):
        mounts.tune(run, "sys/mounts/auth", path, _lockout_of(run))
    run.ui.out(f"Success! Tuned the auth method at: {path}")
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "auth",
        "Interact with auth methods",
        (
            Command(
                "doctor",
                "Explain why a login fails",
                auth_insight.doctor,
                usage="[options] PATH",
                about="""
Goes through the steps of a login at the auth method at PATH, with as much as is
given, and tells what each of them finds. No token is made, no use of a secret
id is spent, and nothing that is secret is shown.

    $ {prog} auth doctor approle -role-id=... -secret-id=@secret-id
    $ {prog} auth doctor kubernetes -role=app -jwt=@token
    $ {prog} auth doctor userpass -username=ann

It needs "update" and "sudo" on sys/auth-doctor/PATH. The exit code is 0 if
nothing would stop the login, and 2 if something does.
""",
                flags=auth_insight.EVIDENCE,
                arity=at_least(1),
                flags_anywhere=True,
            ),
            Command(
                "last-logins",
                "Tell when roles and users have logged in last",
                auth_insight.last_logins,
                usage="[options] PATH",
                about="""
Lists the roles and users that have logged in at the auth method at PATH, each
with its last login.

    $ {prog} auth last-logins approle
    $ {prog} auth last-logins -role=ci approle
""",
                flags=(Flag("role", "Only this role or user."),),
                arity=exactly(1),
                flags_anywhere=True,
            ),
            Command(
                "search-secret-ids",
                "Find AppRole secret ids by their metadata",
                auth_insight.search_secret_ids,
                usage="[options] ROLE [K=V...]",
                about="""
Finds the secret ids of an AppRole role by their metadata, and prints their
accessors. "*" in a value stands for anything.

    $ {prog} auth search-secret-ids ci team=payments host=build-*
    $ {prog} auth search-secret-ids -path=machines ci
""",
                flags=(
                    Flag("limit", "Most secret ids to print.", "int", default="1000"),
                    Flag("path", "Where the method is enabled.", default="approle"),
                ),
                arity=at_least(1),
                flags_anywhere=True,
            ),
            Command(
                "enable",
                "Enable an auth method",
                _enable,
                usage="[options] TYPE",
                about="""
Enables an auth method at a path below auth/, by default that of its type's name.

    $ {prog} auth enable userpass
    $ {prog} auth enable -path=ci approle
""",
                flags=(*mounts.ENABLE_FLAGS, _TOKEN_TYPE),
                arity=exactly(1),
                output=(),
            ),
            Command(
                "disable",
                "Disable an auth method",
                _disable,
                usage="[options] PATH",
                about="""
Disables the auth method at a path. All tokens it gave out are revoked.

    $ {prog} auth disable userpass/
""",
                arity=exactly(1),
                output=(),
            ),
            Command(
                "help",
                "Print the server's help for an auth method",
                _help,
                usage="[options] PATH",
                about="""
Prints what the server says about the paths of an enabled auth method.

    $ {prog} auth help userpass
""",
                arity=exactly(1),
                output=(),
            ),
            Command(
                "list",
                "List enabled auth methods",
                _list,
                usage="[options]",
                about="""
Lists the auth methods that are enabled, by their paths.

    $ {prog} auth list -detailed
""",
                output=("detailed", "format"),
            ),
            Command(
                "move",
                "Move an auth method to a new path",
                _move,
                usage="[options] SOURCE DESTINATION",
                about="""
Moves an enabled auth method with all its roles and users. Tokens that it gave out
are revoked: who logged in there logs in anew.

    $ {prog} auth move userpass people
""",
                arity=exactly(2),
                output=(),
            ),
            Command(
                "tune",
                "Tune an auth method's configuration",
                _tune,
                usage="[options] PATH",
                about="""
Changes what is given, and only that.

    $ {prog} auth tune -default-lease-ttl=1h userpass/
""",
                flags=(*mounts.TUNE_FLAGS, *_LOCKOUT, _TOKEN_TYPE),
                arity=exactly(1),
                output=(),
            ),
        ),
        about="""
Enables, lists and configures the methods by which people and machines log in.
To log in yourself use "{prog} login".

    $ {prog} auth list
    $ {prog} auth enable userpass
""",
    ),
)
