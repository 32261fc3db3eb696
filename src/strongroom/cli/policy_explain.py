"""`policy explain`: which rule of which policy decides."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Refused
from strongroom.cli.data import clean_path
from strongroom.cli.run import Run

CAPABILITIES = ("create", "read", "update", "patch", "delete", "list", "sudo")


def explain(run: Run) -> int:
    """Ask the server, and print its answer; exit code 2 when it is a refusal."""
    operation = run.args[1] if len(run.args) > 1 else "read"
    if operation not in CAPABILITIES:
        raise Refused(f"Unknown capability: {operation}. Use one of {', '.join(CAPABILITIES)}")
    token = run.flags.text("token")
    asked: dict[str, Any] = {
        "path": clean_path(run.args[0]),
        "operation": operation,
        "token": run.ui.read_stdin().strip() if token == "-" else token,  # noqa: S105 (a sign for stdin)
        "accessor": run.flags.text("accessor"),
        "parameters": run.flags.map("parameter"),
    }
    body = {name: value for name, value in asked.items() if value}
    with run.doing("Error explaining"):
        secret = run.client.write("sys/internal/explain", body, method="POST")
    data = (secret.data if secret else None) or {}
    if secret is None or secret.wrap_info is not None or not run.table:
        return output.show_secret(run, secret) if secret else 2
    allowed = bool(data.get("allowed"))
    run.ui.out(f"{'✓ allowed' if allowed else '✗ denied'}: {operation} {data.get('path')}\n")
    rows = [("Reason", str(data.get("reason") or ""))]
    if data.get("rule"):
        rows.append(("Rule", f'path "{data["rule"]}"'))
    rows += [("Written in", f"policy {one.get('policy')}, line {one.get('line')}") for one in data.get("sources") or ()]
    rows += [
        ("Policies", ", ".join(map(str, data.get("policies") or ()))),
        ("Token", f"{data.get('display_name')} (accessor {data.get('accessor') or 'none'})"),
    ]
    run.ui.out(output.columns(rows))
    return 0 if allowed else 2
