"""The OpenAPI 3 document, made from the declarations of the routes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from strongroom import VAULT_VERSION
from strongroom.api.args import Args, Field
from strongroom.api.fields import KINDS
from strongroom.api.messages import Operation
from strongroom.api.routes import Engine, Route

_METHODS = {
    Operation.READ: "get",
    Operation.LIST: "get",
    Operation.UPDATE: "post",
    Operation.PATCH: "patch",
    Operation.DELETE: "delete",
}
_STATUSES = {"200": "OK", "202": "accepted: the work goes on", "204": "empty body"}
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


#: What every operation may answer instead. Some refusals come in the envelope, with their texts in its data.
_ERROR = {
    "description": "A refusal, or a failure of the server's.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "errors": {"type": "array", "items": {"type": "string"}, "description": "What is wrong, in words."}
                },
            }
        }
    },
}


_OAUTH_ERROR = {
    "description": "A refusal in the form of RFC 6749, section 5.2, or a failure of the server's.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "error": {"type": "string", "description": "The class of the refusal."},
                    "error_description": {"type": "string", "description": "What is wrong, in words."},
                },
            }
        }
    },
}


def document(engines: Mapping[str, Engine[Any]]) -> dict[str, Any]:
    """Describe the engines, each at the path that it is mounted at."""
    return describe((mount, route) for mount, engine in engines.items() for route in engine.routes)


def describe(routes: Iterable[tuple[str, Route]]) -> dict[str, Any]:
    """Describe routes, each below a mount's path."""
    paths: dict[str, dict[str, Any]] = {}
    ids: set[str] = set()
    for mount, route in routes:
        _add(paths, ids, mount, route)
    return {
        "openapi": "3.0.2",
        "info": {
            "title": "Strongroom, speaking HashiCorp Vault's API",
            "description": "The server's whole HTTP API. Every path is below `/v1/`.",
            "version": VAULT_VERSION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {"responses": {"Error": _ERROR, "OAuthError": _OAUTH_ERROR}},
    }


def _add(paths: dict[str, dict[str, Any]], ids: set[str], mount: str, route: Route) -> None:
    # A mount's path is no template, whatever it holds.
    path = "/" + mount.replace("{", "%7B").replace("}", "%7D") + _PARAMETER.sub(r"{\1}", route.pattern)
    if path != "/" and path.endswith("/"):
        path = path.rstrip("/")
    item = paths.setdefault(path, {})
    if route.summary and "description" not in item:
        item["description"] = route.summary
    names = route.parameters
    if names:
        item["parameters"] = [_path_parameter(name, route.args) for name in names]
    if route.flags.sudo:
        item["x-vault-sudo"] = True
    if route.flags.unauthenticated:
        item["x-vault-unauthenticated"] = True
    if route.exists is not None:
        item["x-vault-createSupported"] = True
    method = _METHODS[route.operation]
    known = item.get(method)
    if known is None:
        item[method] = operation = _operation(mount, route)
        name = operation["operationId"]
        taken = itertools.count(2)
        while operation["operationId"] in ids:
            operation["operationId"] = f"{name}-{next(taken)}"
        ids.add(operation["operationId"])
    elif route.operation in (Operation.LIST, Operation.READ):
        # One GET serves both: the query parameter `list` tells them apart.
        there = {parameter["name"] for parameter in known.get("parameters", [])}
        known["parameters"] = known.get("parameters", []) + [p for p in _query(route) if p["name"] not in there]


def _operation(mount: str, route: Route) -> dict[str, Any]:
    verb = {Operation.UPDATE: "write"}.get(route.operation, route.operation.value)
    words = re.split(r"[^A-Za-z0-9]+", mount + _PARAMETER.sub(r"\1", route.pattern))
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": "-".join(w for w in (verb, *words) if w),
        "tags": [mount.strip("/").partition("/")[0] or "root"],
        "responses": {status: {"description": _STATUSES[status]} for status in _statuses(route)}
        | {"default": {"$ref": "#/components/responses/" + ("OAuthError" if route.flags.oauth else "Error")}},
    }
    if not route.operation.writes:
        parameters = _query(route)
        if parameters:
            operation["parameters"] = parameters
    else:
        body = _body(route)
        if body["properties"] or route.free_form:
            kind = "application/merge-patch+json" if route.operation is Operation.PATCH else "application/json"
            operation["requestBody"] = {"required": False, "content": {kind: {"schema": body}}}
    return operation


def _statuses(route: Route) -> list[str]:
    statuses = ["200"] if route.operation in (Operation.READ, Operation.LIST) else ["204", "200"]
    if route.flags.may_be_empty:
        statuses.append("204")
    if route.flags.accepted:
        statuses.append("202")
    return statuses


def _query(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if route.operation is Operation.LIST:
        parameters.append(
            {
                "name": "list",
                "in": "query",
                "description": "Must be set to `true`.",
                "required": False,
                "schema": {"type": "string", "enum": ["true"]},
            }
        )
    for name, field in _fields(route):
        parameter: dict[str, Any] = {"name": name, "in": "query", "description": field.help, "schema": _schema(field)}
        if field.required:
            parameter["required"] = True
        if field.deprecated:
            parameter["deprecated"] = True
        parameters.append(parameter)
    return parameters


def _body(route: Route) -> dict[str, Any]:
    properties = {}
    for name, field in _fields(route):
        properties[name] = {"description": field.help, **_schema(field)}
        if field.deprecated:
            properties[name]["deprecated"] = True
    if route.batch is not None:
        items = {"type": "array", "items": {"type": "object"}}
        properties[route.batch.name] = {"description": "Inputs of their own; the others are ignored then.", **items}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if route.free_form:
        schema["additionalProperties"] = True
    required = [name for name, field in _fields(route) if field.required]
    if required:
        schema["required"] = required
    return schema


def _schema(field: Field) -> dict[str, Any]:
    schema = dict(KINDS[field.kind].schema)
    if field.choices:
        schema["enum"] = list(field.choices)
    return schema


def _fields(route: Route) -> list[tuple[str, Field]]:
    """The parameters that are not in the path."""
    in_path = set(route.parameters)
    return [(n, f) for n, f in sorted(route.args.fields.items()) if n not in in_path] if route.args else []


def _path_parameter(name: str, args: type[Args] | None) -> dict[str, Any]:
    field = args.fields.get(name) if args else None
    schema = dict(KINDS[field.kind].schema) if field else {"type": "string"}
    schema.pop("pattern", None)
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": field.help if field else "",
        "schema": schema,
    }
