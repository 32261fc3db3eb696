"""Seal and cluster state, as `status` and `operator unseal` show it."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Command, Group, Refused, exactly
from strongroom.cli.run import Run
from strongroom.client.errors import ResponseError

_NEVER = "0001-01-01T00:00:00Z"
#: The order people know; what is optional appears only if the server says it.
_SEAL_KEYS = (
    ("type", ""),
    ("initialized", False),
    ("sealed", False),
    ("t", 0),
    ("n", 0),
    ("progress", 0),
    ("nonce", ""),
    ("version", ""),
    ("build_date", None),
    ("migration", False),
    ("cluster_name", None),
    ("cluster_id", None),
    ("recovery_seal", False),
    ("storage_type", ""),
    ("strongroom_version", None),
)
_LEADER_KEYS = (
    "is_self",
    "active_time",
    "leader_address",
    "leader_cluster_address",
    "performance_standby",
    "performance_standby_last_remote_wal",
    "raft_committed_index",
    "raft_applied_index",
)


def show_seal_status(run: Run, status: dict[str, Any]) -> None:
    """Print a seal status with what the server says about its cluster."""
    leader = _leader(run)
    if not run.table:
        output.emit(run, _document(status, leader))
        return
    rows = [
        ("Seal Type", status.get("type")),
        ("Initialized", status.get("initialized")),
        ("Sealed", status.get("sealed")),
        ("Total Recovery Shares" if status.get("recovery_seal") else "Total Shares", status.get("n")),
        ("Threshold", status.get("t")),
    ]
    if status.get("sealed"):
        rows.append(("Unseal Progress", f"{status.get('progress', 0)}/{status.get('t', 0)}"))
        rows.append(("Unseal Nonce", status.get("nonce")))
    if status.get("migration"):
        rows.append(("Seal Migration in Progress", True))
    rows.append(("Version", status.get("version")))
    if status.get("build_date"):
        rows.append(("Build Date", status["build_date"]))
    rows.append(("Storage Type", status.get("storage_type")))
    if status.get("cluster_name") and status.get("cluster_id"):
        rows += [("Cluster Name", status["cluster_name"]), ("Cluster ID", status["cluster_id"])]
    rows += _cluster_rows(status, leader)
    run.ui.out(output.table(("Key", "Value"), [(name, output.go_value(value)) for name, value in rows]))


def _leader(run: Run) -> dict[str, Any]:
    with run.doing("Error checking leader status", 1), run.client.preliminary():
        try:
            return run.client.get_json("sys/leader")
        except ResponseError as error:
            if "Vault is sealed" in " ".join(error.errors):  # only a cluster needs to be unsealed to say more
                return {"ha_enabled": True}
            raise


def _document(status: dict[str, Any], leader: dict[str, Any]) -> dict[str, Any]:
    shown = {key: status.get(key, absent) for key, absent in _SEAL_KEYS if absent is not None or key in status}
    shown["ha_enabled"] = bool(leader.get("ha_enabled"))
    shown["active_time"] = _NEVER
    shown.update({key: leader[key] for key in _LEADER_KEYS if leader.get(key)})
    return shown


def _cluster_rows(status: dict[str, Any], leader: dict[str, Any]) -> list[tuple[str, Any]]:
    enabled = bool(leader.get("ha_enabled"))
    rows: list[tuple[str, Any]] = [("HA Enabled", enabled)]
    if not enabled:
        return rows
    if status.get("sealed"):
        return [*rows, ("HA Mode", "sealed")]
    active = bool(leader.get("is_self"))
    address = leader.get("leader_address")
    rows.append(("HA Cluster", leader.get("leader_cluster_address") or "<none>"))
    rows.append(("HA Mode", "active" if active else "standby"))
    if active and leader.get("active_time") not in (None, "", _NEVER):
        rows.append(("Active Since", leader["active_time"]))
    if not active:
        rows.append(("Active Node Address", address or "<none>"))
    for title, key in (("Raft Committed Index", "raft_committed_index"), ("Raft Applied Index", "raft_applied_index")):
        if leader.get(key):
            rows.append((title, leader[key]))
    return rows


def _status(run: Run) -> int:
    # 2 means sealed here, so every error is 1.
    try:
        client = run.client
    except Refused as refused:
        raise Refused(refused.message, 1, refused.hint) from None
    with run.doing("Error checking seal status", 1):
        status = client.get_json("sys/seal-status")
    if not isinstance(status.get("sealed"), bool):
        raise Refused("Error checking seal status: the answer is none of a secrets server")
    show_seal_status(run, status)
    return 2 if status["sealed"] else 0


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "status",
        "Print seal and cluster status",
        _status,
        usage="[options]",
        about="""
Prints the state of the server, sealed or not.

    $ {prog} status

The exit code tells it too:

    0    unsealed
    1    error
    2    sealed, or not initialized
""",
        arity=exactly(0),
    ),
)
