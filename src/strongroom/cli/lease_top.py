"""`lease top`: who makes the most leases."""

from __future__ import annotations

from strongroom.cli import output
from strongroom.cli.command import Refused
from strongroom.cli.run import Run


def top(run: Run) -> int:
    """Ask the server, and print its counts."""
    flags = {"by": "group_by", "limit": "limit"}
    asked = {name: run.flags.text(flag) for flag, name in flags.items() if run.flags.given(flag)}
    if run.args:
        asked["prefix"] = run.args[0].strip().strip("/")
    with run.doing("Error counting leases"):
        secret = run.client.read("sys/leases/top", asked)
    if secret is None:
        raise Refused("Vault returned an empty secret", 2)
    if not run.table or run.field:
        return output.show_secret(run, secret)
    data = secret.data or {}
    rows = [entry for entry in data.get("top") or () if isinstance(entry, dict)]
    keys = ["display_name", "accessor"] if data.get("group_by") == "token" else ["path"]
    titles = ["Leases", "Share", *(key.replace("_", " ").title() for key in keys)]
    total = data.get("leases") or 0
    run.ui.out(
        output.table(
            titles,
            [
                [str(row["leases"]), f"{row['leases'] / total:.1%}", *(str(row.get(key) or "") for key in keys)]
                for row in rows
            ],
        )
    )
    run.ui.out(f"\n{total} leases by {data.get('producers')} producers")
    return 0
