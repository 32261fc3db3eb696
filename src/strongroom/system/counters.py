"""What the server counts, and the namespaces that user interfaces ask for."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.clock import rfc3339
from strongroom.core import activity_report
from strongroom.core.activity import CONFIG, ENTITY, SWITCH, ActivityConfig, month_of, months_from, start_ns
from strongroom.core.activity_report import Tally
from strongroom.core.context import SystemContext
from strongroom.core.identity_model import ENTITY as ENTITIES
from strongroom.errors import BadRequest, NotFound
from strongroom.system.engine import system

_PAGE: Final = 10_000
_MOST_MONTHS: Final = 1200
#: Where all of this happens: there is no other namespace.
_NAMESPACE: Final = {"namespace_id": "root", "namespace_path": ""}
_COLUMNS: Final = ("client_id", "namespace_id", "timestamp", "mount_accessor", "non_entity")
_FORMATS: Final = {"json": "application/json", "csv": "text/csv"}


class RangeArgs(Args):
    """From when to when."""

    start_time: str = field("From this moment's month on, as RFC 3339 or in Unix seconds.")
    end_time: str = field("To this moment's month, as RFC 3339 or in Unix seconds; without, the last whole month.")


class ActivityArgs(RangeArgs):
    """Which report."""

    limit_namespaces: int = field("The most namespaces to show; there is one.")


class ExportArgs(RangeArgs):
    """Which clients, and how."""

    format: str = field("`json`, one object a line, or `csv`.", default="json", choices=tuple(_FORMATS))


class ConfigArgs(Args):
    """What is counted and kept."""

    enabled: str | None = field("Whether clients are counted; `default` is that they are.", choices=SWITCH)
    default_report_months: int | None = field("How many months a report without a beginning has.")
    retention_months: int | None = field("How many months are kept beside the current one.")


# -- Totals --------------------------------------------------------------------------------------------------------


@system.read("internal/counters/tokens")
async def count_tokens(ctx: SystemContext) -> dict[str, Any]:
    """Count the service tokens; reads them all."""
    total = 0
    async for _ in ctx.live.tokens.accessors():
        total += 1
    return {"counters": {"service_tokens": {"total": total}}}


@system.read("internal/counters/entities")
async def count_entities(ctx: SystemContext) -> dict[str, Any]:
    """Count the entities."""
    total, after = 0, ""
    while names := await ctx.live.barrier.list(ENTITIES, after, _PAGE):
        total, after = total + len(names), names[-1]
    return {"counters": {"entities": {"total": total}}}


@system.read("internal/counters/requests")
async def count_requests(ctx: SystemContext) -> None:
    """Refuse: requests are not counted, here as in Vault since its version 1.8."""
    raise NotFound("The functionality has been removed on this path")


# -- Clients -------------------------------------------------------------------------------------------------------


@system.read("internal/counters/activity", may_be_empty=True)
async def activity(ctx: SystemContext, args: ActivityArgs) -> Response:
    """Count the clients of a range of months; empty when there are none.

    A client is an entity or, of tokens without one, all those that have the same policies. It counts in a month in
    which it used the server.
    """
    first, last = _range(ctx, args)
    await ctx.live.activity.flush()
    report = await activity_report.report(ctx.live.barrier, first, last)
    if not report.months:
        return Response(status=204)
    first = min(report.months)
    months = []
    for number in range(_MOST_MONTHS):
        name = months_from(first, number)
        if name > last:
            break
        months.append(_month(ctx, name, report.months.get(name)))
    data = {
        "start_time": rfc3339(start_ns(first)),
        "end_time": rfc3339(start_ns(months_from(last, 1)) - 1_000_000_000),
        "total": _counts(*report.total.total),
        "by_namespace": _namespaces(ctx, report.total),
        "months": months,
    }
    return Response(data=data)


@system.read("internal/counters/activity/monthly")
async def monthly_activity(ctx: SystemContext) -> dict[str, Any]:
    """Count the clients of the current month so far."""
    now = month_of(ctx.clock.now_ns())
    await ctx.live.activity.flush()
    report = await activity_report.report(ctx.live.barrier, now, now)
    namespaces = _namespaces(ctx, report.total) if report.months else []
    months = [_month(ctx, now, report.months.get(now))]
    return {**_counts(*report.total.total), "by_namespace": namespaces, "months": months}


@system.read("internal/counters/activity/export", sudo=True, no_wrap=True)
async def export_activity(ctx: SystemContext, args: ExportArgs) -> Response:
    """Name the clients of a range of months, each with the first time it was seen in it."""
    first, last = _range(ctx, args)
    await ctx.live.activity.flush()
    found = activity_report.clients(ctx.live.barrier, first, last)
    name = f"activity_export_{start_ns(first) // 10**9}_to_{start_ns(months_from(last, 1)) // 10**9 - 1}.{args.format}"
    return Response(
        bare=_exported(found, as_csv=args.format == "csv"),
        content_type=_FORMATS[args.format],
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


@system.read("internal/counters/config")
async def read_config(ctx: SystemContext) -> dict[str, Any]:
    """Show how clients are counted."""
    config = ctx.live.activity.config
    shown = "default-enabled" if config.enabled == "default" else config.enabled
    return {
        "enabled": shown,
        "default_report_months": config.default_report_months,
        "retention_months": config.retention_months,
        "minimum_retention_months": 0,
        "queries_available": await activity_report.any_before(ctx.live.barrier, month_of(ctx.clock.now_ns())),
        "reporting_enabled": False,
        "billing_start_timestamp": None,
    }


@system.write("internal/counters/config")
async def write_config(ctx: SystemContext, args: ConfigArgs) -> None:
    """Change how clients are counted; what is not given stays. Switching it off drops the current month."""
    old = ctx.live.activity.config
    new = ActivityConfig(
        enabled=old.enabled if args.enabled is None else args.enabled,
        default_report_months=_number(args, "default_report_months", old.default_report_months, least=1),
        retention_months=_number(args, "retention_months", old.retention_months, least=0),
    )
    if new.counts and not new.retention_months:
        raise BadRequest("retention_months cannot be 0 while enabled")
    if old.counts and not new.counts:
        ctx.warn("the clients counted in the current month are dropped, since they are counted no more")
    ctx.transaction.store(CONFIG, new)
    ctx.after_commit(lambda: ctx.live.activity.apply(new))


@system.read("internal/ui/namespaces")
async def namespaces(ctx: SystemContext) -> dict[str, Any]:
    """Show the namespaces that the caller may reach: there is the root namespace alone."""
    return {"keys": [""]}


# -- Forms ---------------------------------------------------------------------------------------------------------


def _number(args: ConfigArgs, name: str, old: int, *, least: int) -> int:
    value: int | None = getattr(args, name)
    if value is None:
        return old
    if not least <= value <= _MOST_MONTHS:
        raise BadRequest(f"{name} must be from {least} to {_MOST_MONTHS}")
    return value


def _range(ctx: SystemContext, args: RangeArgs) -> tuple[str, str]:
    """The months that are asked for, both included."""
    now = month_of(ctx.clock.now_ns())
    last = _month_at("end_time", args.end_time) or months_from(now, -1)
    back = 1 - ctx.live.activity.config.default_report_months
    first = _month_at("start_time", args.start_time) or months_from(last, back)
    if first > last:
        raise BadRequest("start_time is later than end_time")
    return first, min(last, now)


def _month_at(name: str, text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    try:
        if text.isascii() and text.isdecimal():
            moment = datetime.fromtimestamp(int(text), UTC)
        else:
            moment = datetime.fromisoformat(text)
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise BadRequest(
            f'Field validation failed: error converting input for field "{name}": '
            "expected a moment as RFC 3339 or in Unix seconds"
        ) from None
    return f"{moment.year:04d}-{moment.month:02d}"


def _counts(entities: int, others: int) -> dict[str, int]:
    return {
        "distinct_entities": entities,
        "entity_clients": entities,
        "non_entity_tokens": others,
        "non_entity_clients": others,
        "clients": entities + others,
    }


def _month(ctx: SystemContext, name: str, month: activity_report.Month | None) -> dict[str, Any]:
    timestamp = rfc3339(start_ns(name))
    if month is None:
        return {"timestamp": timestamp, "counts": None, "namespaces": None, "new_clients": None}
    return {
        "timestamp": timestamp,
        "counts": _counts(*month.all.total),
        "namespaces": _namespaces(ctx, month.all),
        "new_clients": {"counts": _counts(*month.new.total), "namespaces": _namespaces(ctx, month.new)},
    }


def _namespaces(ctx: SystemContext, tally: Tally) -> list[dict[str, Any]]:
    mounts = [
        {"mount_path": _path(ctx, accessor), "counts": _counts(*counts)}
        for accessor, counts in sorted(tally.by_accessor.items(), key=lambda item: (-sum(item[1]), item[0]))
    ]
    return [{**_NAMESPACE, "counts": _counts(*tally.total), "mounts": mounts}]


def _path(ctx: SystemContext, accessor: str) -> str:
    mount = ctx.live.mounts.by_accessor(accessor)
    return mount.path if mount is not None else f'deleted mount; accessor "{accessor}"'


async def _exported(found: AsyncIterator[Any], *, as_csv: bool) -> AsyncIterator[bytes]:
    if as_csv:
        yield (",".join(_COLUMNS) + "\n").encode()
    async for client, uses in found:
        use = uses[0][1]
        row = (client[1:], "root", use.first_ns // 10**9, use.accessor, not client.startswith(ENTITY))
        if as_csv:
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow([*row[:-1], str(row[-1]).lower()])
            yield line.getvalue().encode()
        else:
            yield msgspec.json.encode(dict(zip(_COLUMNS, row, strict=True))) + b"\n"
