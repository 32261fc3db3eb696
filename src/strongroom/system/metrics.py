"""`sys/metrics`: the server's gauges, for Prometheus or as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.metrics import Gauge
from strongroom.system.engine import system

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class MetricsArgs(Args):
    """Which form."""

    format: str = field("`prometheus` for Prometheus's text; JSON without.")


@system.read("metrics", no_wrap=True)
async def metrics(ctx: SystemContext, args: MetricsArgs) -> Response:
    """The server's gauges."""
    if args.format not in ("", "prometheus"):
        text = f'metric response format "{args.format[:64]}" unknown'
        return Response(status=400, bare=text.encode(), content_type="text/plain")
    telemetry = ctx.core.config.telemetry
    gauges = await ctx.live.metrics.gauges()
    if not args.format:
        return Response(bare=_as_json(telemetry.metrics_prefix, gauges, ctx.clock.now()))
    if not telemetry.prometheus_retention_time:
        return Response(status=400, bare=b"prometheus is not enabled", content_type="text/plain")
    return Response(bare=_as_text(telemetry.metrics_prefix, gauges).encode(), content_type=TEXT)


def _as_json(prefix: str, gauges: list[Gauge], now: float) -> dict[str, Any]:
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
    rows = [{"Name": f"{prefix}.{g.name}", "Value": g.value, "Labels": dict(g.labels)} for g in gauges]
    return {"Timestamp": stamp, "Gauges": rows, "Points": [], "Counters": [], "Samples": []}


def _as_text(prefix: str, gauges: list[Gauge]) -> str:
    lines = []
    for gauge in gauges:
        name = f"{prefix}_{gauge.name}".replace(".", "_").replace("-", "_")
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in gauge.labels.items())
        lines += [f"# HELP {name} {name}", f"# TYPE {name} gauge"]
        lines.append(f"{name}{{{labels}}} {gauge.value}" if labels else f"{name} {gauge.value}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    """A label's value as Prometheus's text form writes it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
