"""`?help=1`: what an endpoint does, from its declaration."""

from __future__ import annotations

from typing import Any

from strongroom.api.openapi import describe
from strongroom.api.routes import Engine, Route


def help_for(engine: Engine[Any], path: str) -> dict[str, Any]:
    """The help of a path: its own where a route matches, else the engine's with all its patterns."""
    routes = engine.at(path.rstrip("/")) if path.strip("/") else []
    text = _endpoint(path, routes) if routes else _overview(engine)
    document = describe(("", route) for route in routes or engine.routes)
    return {"help": text, "see_also": None, "openapi": document}


def _endpoint(path: str, routes: list[Route]) -> str:
    lines = [f"Request:        {path}", f"Matching Route: ^{routes[0].pattern}$", ""]
    for route in routes:
        lines += [f"{route.operation.value.upper()}: {route.summary}", ""]
        if route.description:
            lines += [route.description, ""]
    fields = {name: field for route in routes if route.args for name, field in route.args.fields.items()}
    if fields:
        lines += ["## PARAMETERS", ""]
        for name, field in sorted(fields.items()):
            lines += [f"    {name} ({field.kind})", "", f"        {field.help}", ""]
    return "\n".join(lines)


def _overview(engine: Engine[Any]) -> str:
    lines = ["## DESCRIPTION", "", engine.help, "", "## PATHS", ""]
    seen: dict[str, str] = {}
    for route in engine.routes:
        seen.setdefault(route.pattern, route.summary)
    for pattern, summary in sorted(seen.items()):
        lines += [f"    ^{pattern}$", f"        {summary}", ""]
    return "\n".join(lines)
