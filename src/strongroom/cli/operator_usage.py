"""How many clients use the server, month by month where that is asked for."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Refused
from strongroom.cli.run import Run
from strongroom.client.secret import mapping, whole

_COLUMNS = ("Namespace path", "Distinct entities", "Non-Entity tokens", "Active clients")
_COUNTS = ("distinct_entities", "non_entity_tokens", "clients")
_GAP = "   "


def usage(run: Run) -> int:
    """Print the clients of a range of months."""
    params = {flag.replace("-", "_"): text for flag in ("start-time", "end-time") if (text := run.flags.text(flag))}
    with run.doing("Error retrieving client counts"):
        secret = run.client.read("sys/internal/counters/activity", params)
    if secret is None or not secret.data or secret.data.get("start_time") is None:
        raise _nothing(run)
    if not run.table:
        return output.emit(run, secret.document())
    output.warn(run, secret)
    data = secret.data
    run.ui.out(f"Period start: {data['start_time']}\nPeriod end: {data.get('end_time') or ''}\n")
    rows = [[_path(one), *_counts(one.get("counts"))] for one in data.get("by_namespace") or () if mapping(one)]
    table = [_COLUMNS, ["-" * len(title) for title in _COLUMNS], *rows, [], ["Total", *_counts(data.get("total"))]]
    run.ui.out(_laid_out(table))
    return 0


def _nothing(run: Run) -> Refused:
    """Why there is no report, as far as that can be found out."""
    from strongroom.client.errors import ClientError

    with run.client.preliminary():
        try:
            config = run.client.read("sys/internal/counters/config")
        except ClientError:
            config = None
    data = (config.data if config else None) or {}
    if str(data.get("enabled", "")).endswith(("disable", "disabled")):
        fix = f"{run.prog} write sys/internal/counters/config enabled=enable"
        return Refused(
            "No data is available: the server does not count its clients.", 2, f"To have them counted:\n\n    {fix}"
        )
    if data.get("queries_available") is False and not run.flags.given("end-time"):
        from datetime import UTC, datetime

        fix = f"{run.prog} operator usage -end-time={datetime.now(UTC):%Y-%m}"
        return Refused(
            "No data is available: the first month is not over yet.", 2, f"For the current month so far:\n\n    {fix}"
        )
    return Refused("No data is available for these months.", 2)


def _path(namespace: dict[str, Any]) -> str:
    path = str(namespace.get("namespace_path") or "")
    return path or ("[root]" if namespace.get("namespace_id") == "root" else f"[{namespace.get('namespace_id')}]")


def _counts(counts: Any) -> list[str]:
    found = mapping(counts) or {}
    return [str(whole(found.get(name))) for name in _COUNTS]


def _laid_out(rows: list[Any]) -> str:
    widths = [max(len(row[place]) for row in rows if row) for place in range(len(_COLUMNS))]
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows
    )
