"""Secrets engines: enable, disable, list, move, tune."""

from __future__ import annotations

from strongroom.cli import mounts, output
from strongroom.cli.command import Command, Group, exactly
from strongroom.cli.data import mount_path
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run


def _enable(run: Run) -> int:
    with run.doing("Error enabling"):
        kind, path = mounts.enable(run, "sys/mounts")
    run.ui.out(f"Success! Enabled the {kind} secrets engine at: {path}")
    return 0


def _disable(run: Run) -> int:
    path = mount_path(run.args[0])
    params = {"force": "true"} if run.flags.bool("force") else None
    with run.doing(f"Error disabling secrets engine at {path}"):
        answer = run.client.delete(f"sys/mounts/{path.rstrip('/')}", params)
    for warning in (answer.warnings or ()) if answer is not None else ():
        run.ui.warn(f"WARNING! {warning}")
    run.ui.out(f"Success! Disabled the secrets engine (if it existed) at: {path}")
    return 0


def _list(run: Run) -> int:
    with run.doing("Error listing secrets engines"):
        found = mounts.mounts_at(run, "sys/mounts")
    if not run.table:
        return output.show_data(run, found)
    if run.detailed:
        return mounts.show_mounts(run, found, ("Force No Cache", lambda config: bool(config.get("force_no_cache"))))
    rows = [
        [path, str(mount.get("type") or ""), str(mount.get("accessor") or ""), str(mount.get("description") or "")]
        for path, mount in found.items()
    ]
    run.ui.out(output.table(("Path", "Type", "Accessor", "Description"), rows))
    return 0


def _move(run: Run) -> int:
    return mounts.move(run, "secrets engine", mount_path(run.args[0]), mount_path(run.args[1]))


def _tune(run: Run) -> int:
    path = mount_path(run.args[0])
    with run.doing(f"Error tuning secrets engine {path}"):
        mounts.tune(run, "sys/mounts", path)
    run.ui.out(f"Success! Tuned the secrets engine at: {path}")
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "secrets",
        "Interact with secrets engines",
        (
            Command(
                "enable",
                "Enable a secrets engine",
                _enable,
                usage="[options] TYPE",
                about="""
Enables a secrets engine at a path, by default that of its type's name.

    $ {prog} secrets enable database
    $ {prog} secrets enable -path=secret kv-v2
    $ {prog} secrets enable -max-lease-ttl=30m -path=ssh-prod ssh
""",
                flags=mounts.ENABLE_FLAGS,
                arity=exactly(1),
                output=(),
            ),
            Command(
                "disable",
                "Disable a secrets engine",
                _disable,
                usage="[options] PATH",
                about="""
Disables the secrets engine at a path. Its leases are revoked first, then all of
its data is deleted.

    $ {prog} secrets disable ssh-prod/

It is refused while a lease cannot be revoked. With -force such leases are kept
as irrevocable, for somebody to look after, and the engine is let go:

    $ {prog} secrets disable -force ssh-prod/
    $ {prog} read sys/leases type=irrevocable
""",
                flags=(Flag("force", "Disable it although leases cannot be revoked.", "bool"),),
                arity=exactly(1),
                output=(),
            ),
            Command(
                "list",
                "List enabled secrets engines",
                _list,
                usage="[options]",
                about="""
Lists the secrets engines that are enabled, by their paths.

    $ {prog} secrets list -detailed
""",
                output=("detailed", "format"),
            ),
            Command(
                "move",
                "Move a secrets engine to a new path",
                _move,
                usage="[options] SOURCE DESTINATION",
                about="""
Moves a secrets engine with all of its data. Its leases are revoked.

    $ {prog} secrets move kv1/ archive/kv1/
""",
                arity=exactly(2),
                output=(),
            ),
            Command(
                "tune",
                "Tune a secrets engine's configuration",
                _tune,
                usage="[options] PATH",
                about="""
Changes what is given, and only that.

    $ {prog} secrets tune -max-lease-ttl=87600h pki/
""",
                flags=mounts.TUNE_FLAGS,
                arity=exactly(1),
                output=(),
            ),
        ),
        about="""
Enables, lists and configures the engines that keep or make secrets.

    $ {prog} secrets list
    $ {prog} secrets enable database
""",
    ),
)
