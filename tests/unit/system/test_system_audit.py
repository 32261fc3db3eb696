"""The endpoints of the audit devices: their routes, flags, arguments and answers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import strongroom.system.audit  # noqa: F401 - declares the routes
from strongroom.api.messages import Operation, Response
from strongroom.config import ServerConfig
from strongroom.errors import BadRequest, UnsupportedOperation, UnsupportedPath
from strongroom.system.engine import system

HEADERS = "config/auditing/request-headers"


class Audits:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def table(self) -> dict[str, Any]:
        return {"file/": {"type": "file"}}

    def hash(self, path: str, text: str) -> str:
        return f"hash of {text} by {path}"

    def headers(self) -> dict[str, bool]:
        return {"x-secret": True}

    async def enable(self, tx: str, *args: Any) -> str:
        self.calls.append(("enable", tx, *args))
        return "enabled"

    async def disable(self, tx: str, path: str) -> str | None:
        self.calls.append(("disable", tx, path))
        return "disabled" if path == "file" else None

    def set_header(self, tx: str, *args: Any) -> str:
        self.calls.append(("set", tx, *args))
        return "set"

    def delete_header(self, tx: str, *args: Any) -> str:
        self.calls.append(("delete", tx, *args))
        return "deleted"


class Context:
    """As much of a context as the handlers use."""

    def __init__(self, config: ServerConfig) -> None:
        self.audits = Audits()
        self.live = SimpleNamespace(audits=self.audits)
        self.core = SimpleNamespace(config=config)
        self.transaction = "tx"
        self.locks: list[tuple[str, str]] = []
        self.after: list[str] = []
        self.after_commit = self.after.append

    async def lock(self, kind: str, name: str) -> None:
        self.locks.append((kind, name))


def call(
    operation: Operation, path: str, config: ServerConfig | None = None, **data: Any
) -> tuple[Response | None, Context]:
    route, params = system.match(path, operation)
    ctx = Context(config or ServerConfig())
    if route.args is None:
        return asyncio.run(route.handler(ctx)), ctx
    args, unknown = route.args.parse(params, data, {})
    assert unknown == []
    return asyncio.run(route.handler(ctx, args)), ctx


@pytest.mark.parametrize(
    ("operation", "path", "sudo"),
    [
        (Operation.READ, "audit", True),
        (Operation.UPDATE, "audit/file", True),
        (Operation.DELETE, "audit/deep/one/", True),
        (Operation.UPDATE, "audit-hash/deep/one", False),
        (Operation.READ, HEADERS, True),
        (Operation.READ, f"{HEADERS}/X-A", True),
        (Operation.UPDATE, f"{HEADERS}/X-A", True),
        (Operation.DELETE, f"{HEADERS}/X-A", True),
    ],
)
def test_all_but_hashing_need_sudo(operation: Operation, path: str, sudo: bool) -> None:
    assert system.match(path, operation)[0].flags.sudo is sudo


@pytest.mark.parametrize(
    ("operation", "path", "error"),
    [
        (Operation.LIST, "audit/", UnsupportedPath),
        (Operation.READ, "audit/file", UnsupportedOperation),
        (Operation.UPDATE, "audit", UnsupportedOperation),
        (Operation.READ, "audit-hash/file", UnsupportedOperation),
        (Operation.UPDATE, HEADERS, UnsupportedOperation),
    ],
)
def test_what_is_not_there_is_refused(operation: Operation, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        system.match(path, operation)


def test_devices_are_listed_at_the_top_too() -> None:
    response, _ = call(Operation.READ, "audit")
    assert response == Response(data={"file/": {"type": "file"}}, flat=True)


def test_enabling_takes_effect_after_the_commit_under_a_lock() -> None:
    options = {"file_path": "a.log", "log_raw": True, "hmac_accessor": False}
    response, ctx = call(Operation.UPDATE, "audit/deep/one", type="file", options=options, local="true")
    assert response is None
    assert ctx.audits.calls == [
        ("enable", "tx", "deep/one", "file", "", {"file_path": "a.log", "log_raw": "1", "hmac_accessor": "0"}, True)
    ]
    assert (ctx.locks, ctx.after) == ([("audit", "devices")], ["enabled"])


@pytest.mark.parametrize(
    ("setting", "options", "refusal"),
    [
        ("unsafe_allow_api_audit_creation", {"file_path": "a"}, "cannot be enabled over the API"),
        ("allow_audit_log_prefixing", {"file_path": "a", "prefix": ""}, 'the option "prefix" is not allowed'),
        ("allow_audit_log_prefixing", {"file_path": "a"}, ""),
    ],
)
def test_the_configuration_may_forbid_enabling_and_prefixes(
    setting: str, options: dict[str, str], refusal: str
) -> None:
    config = ServerConfig(**{setting: False})
    if not refusal:
        assert call(Operation.UPDATE, "audit/a", config, type="file", options=options)[1].audits.calls
        return
    with pytest.raises(BadRequest, match=refusal) as caught:
        call(Operation.UPDATE, "audit/a", config, type="file", options=options)
    assert setting in caught.value.errors[0]


def test_options_must_be_pairs() -> None:
    with pytest.raises(BadRequest, match="options"):
        call(Operation.UPDATE, "audit/a", type="file", options="file_path")


@pytest.mark.parametrize(("path", "after"), [("file", ["disabled"]), ("absent", [])])
def test_disabling_takes_effect_after_the_commit_under_a_lock(path: str, after: list[str]) -> None:
    response, ctx = call(Operation.DELETE, f"audit/{path}")
    assert response is None
    assert (ctx.audits.calls, ctx.locks, ctx.after) == ([("disable", "tx", path)], [("audit", "devices")], after)


def test_a_text_is_hashed() -> None:
    response, _ = call(Operation.UPDATE, "audit-hash/deep/one", input=5)
    assert response == Response(data={"hash": "hash of 5 by deep/one"}, flat=True)


@pytest.mark.parametrize("data", [{}, {"input": ""}])
def test_nothing_cannot_be_hashed(data: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match='the "input" parameter is empty'):
        call(Operation.UPDATE, "audit-hash/file", **data)


def test_headers_are_listed() -> None:
    response, _ = call(Operation.READ, HEADERS)
    assert response == Response(data={"headers": {"x-secret": {"hmac": True}}}, flat=True)


@pytest.mark.parametrize("name", ["x-secret", "X-Secret"])
def test_a_header_answers_under_the_name_that_was_asked_for(name: str) -> None:
    response, _ = call(Operation.READ, f"{HEADERS}/{name}")
    assert response == Response(data={name: {"hmac": True}}, flat=True)


def test_a_header_that_is_not_logged_is_refused() -> None:
    with pytest.raises(BadRequest, match="Could not find header in config"):
        call(Operation.READ, f"{HEADERS}/X-Absent")


@pytest.mark.parametrize(("data", "hashed"), [({}, False), ({"hmac": "true"}, True)])
def test_setting_a_header_takes_effect_after_the_commit_under_a_lock(data: dict[str, Any], hashed: bool) -> None:
    _, ctx = call(Operation.UPDATE, f"{HEADERS}/X-A", **data)
    assert ctx.audits.calls == [("set", "tx", "X-A", hashed)]
    assert (ctx.locks, ctx.after) == ([("audit", "headers")], ["set"])


def test_deleting_a_header_takes_effect_after_the_commit_under_a_lock() -> None:
    _, ctx = call(Operation.DELETE, f"{HEADERS}/X-A")
    assert ctx.audits.calls == [("delete", "tx", "X-A")]
    assert (ctx.locks, ctx.after) == ([("audit", "headers")], ["deleted"])
