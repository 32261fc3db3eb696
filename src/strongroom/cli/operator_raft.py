"""Snapshots and peers, under the name that people know them by; they work on every storage."""

from __future__ import annotations

import os

from strongroom.cli import output
from strongroom.cli.command import ANY, Command, Group, Refused, deferred
from strongroom.cli.data import os_error
from strongroom.cli.flags import Flag
from strongroom.cli.progress import Metered, Progress
from strongroom.cli.run import Run
from strongroom.client.errors import ResponseError


def _one_file(run: Run) -> str:
    if len(run.args) != 1:
        raise Refused(f"Incorrect arguments (expected 1, got {len(run.args)})")
    if not run.args[0].strip():
        raise Refused("The name of the snapshot's file is empty")
    return run.args[0]


def _save(run: Run) -> int:
    from strongroom.client.files import new_file

    path = _one_file(run)
    with run.doing("Error taking the snapshot"):
        line = Progress(run.ui, "Saving")
        try:
            with new_file(path) as file:
                length = run.client.download("sys/storage/raft/snapshot", Metered(file, line))
                if not length:
                    raise Refused("Error taking the snapshot: the answer is empty", 2)
        except OSError as error:
            raise Refused(f"Error taking the snapshot: open {path}: {os_error(error)}", 2) from None
        finally:
            line.end()
    return 0


def _restore(run: Run) -> int:
    path = _one_file(run)
    endpoint = "sys/storage/raft/snapshot" + ("-force" if run.flags.bool("force") else "")
    try:
        file = open(path, "rb")  # noqa: SIM115, PTH123 (closed below; the two failures have different words)
    except OSError as error:
        raise Refused(f"Error opening snapshot file: open {path}: {os_error(error)}", 2) from None
    size = os.fstat(file.fileno()).st_size
    line = Progress(run.ui, "Restoring", size)
    with file, run.doing("Error installing the snapshot"):
        try:
            run.client.upload(endpoint, Metered(file, line), size)
        finally:
            line.end()
    return 0


def _list_peers(run: Run) -> int:
    nothing = Refused("No raft cluster configuration found", 2)
    with run.doing("Error reading the raft cluster configuration"):
        try:
            path, token = "sys/storage/raft/configuration", run.flags.text("dr-token")
            secret = run.client.write(path, {"dr_operation_token": token}) if token else run.client.read(path)
        except ResponseError as error:
            if error.status == 404:
                raise nothing from None
            raise
    servers = ((secret.data if secret else None) or {}).get("config", {}).get("servers")
    if secret is None or not servers:
        raise nothing
    if not run.table:
        return output.show_secret(run, secret)
    rows = []
    for server in servers:
        state = "leader" if server.get("leader") else "follower"
        rows.append(
            [output.go_value(value) for value in (server["node_id"], server["address"], state, server["voter"])]
        )
    run.ui.out(output.table(("Node", "Address", "State", "Voter"), rows))
    return 0


RAFT = Group(
    "raft",
    "Interact with snapshots and peers",
    (
        Group(
            "snapshot",
            "Save and restore snapshots",
            (
                Command(
                    "save",
                    "Save a snapshot to a file",
                    _save,
                    usage="[options] FILE",
                    about="""
Saves all of the server's data, encrypted as it is stored, to a file. The file
appears only once it is complete.

    $ {prog} operator raft snapshot save vault.snap
""",
                    arity=ANY,
                    output=(),
                ),
                Command(
                    "restore",
                    "Restore a snapshot",
                    _restore,
                    usage="[options] FILE",
                    about="""
Replaces all of the server's data by that of a snapshot.

    $ {prog} operator raft snapshot restore vault.snap
""",
                    flags=(Flag("force", "Even if it was made under other unseal keys.", "bool"),),
                    arity=ANY,
                    output=(),
                ),
                Command(
                    "inspect",
                    "Show what is in a snapshot",
                    deferred("operator_local", "inspect"),
                    usage="[options] FILE",
                    about="""
Checks that a snapshot is whole, and shows how many entries it has and of what
size, by the first parts of their keys. It needs no server and no key: what is in
the entries stays encrypted.

    $ {prog} operator raft snapshot inspect vault.snap
""",
                    flags=(
                        Flag("depth", "How many parts of the keys to tell apart.", "int", default="2"),
                        Flag("details", "Show the keys, too.", "bool", default="true"),
                        Flag("filter", "Show only keys that begin with this."),
                    ),
                    arity=ANY,
                    http=False,
                ),
            ),
            about="""
Saves and restores all of a server's data.

    $ {prog} operator raft snapshot save vault.snap
    $ {prog} operator raft snapshot restore vault.snap
""",
        ),
        Command(
            "list-peers",
            "List the peers of the cluster",
            _list_peers,
            usage="[options]",
            about="""
Lists the peers of a raft cluster. Strongroom's storage has none; the exit code is
then 2.

    $ {prog} operator raft list-peers
""",
            flags=(Flag("dr-token", "Token for operations on a replica for disasters; Strongroom has none."),),
        ),
    ),
    about="""
Snapshots work on every storage, not only on raft.

    $ {prog} operator raft snapshot save vault.snap
""",
)
