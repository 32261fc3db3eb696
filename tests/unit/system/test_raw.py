from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom.api.messages import Operation
from strongroom.core.seal_config import SEAL_CONFIG_KEY
from strongroom.storage.base import Batch

ON = {"raw_storage_endpoint": True}
OPERATIONS = (Operation.READ, Operation.UPDATE, Operation.DELETE)


@pytest.mark.parametrize("operation", [*OPERATIONS, Operation.LIST])
def test_turned_off_it_is_not_there(operation: Operation) -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.ask(operation, "sys/raw/core/"))[0] == "UnsupportedPath"

    served(scenario)


@pytest.mark.parametrize("settings", [{}, ON])
def test_without_sudo_it_is_refused_on_or_off(settings: dict[str, Any]) -> None:
    async def scenario(server: WholeServer) -> None:
        token = await limited(server, "create", "read", "update", "delete", "list")
        for operation in (*OPERATIONS, Operation.LIST):
            assert refused(await server.ask(operation, "sys/raw/core", token))[0] == "PermissionDenied"

    served(scenario, **settings)


def test_entries_are_written_read_listed_and_deleted() -> None:
    async def scenario(server: WholeServer) -> None:
        assert ok(await server.write("sys/raw/my/entry", value="text")).empty
        assert data(await server.read("sys/raw/my/entry")) == {"value": "text"}
        assert data(await server.list("sys/raw/my")) == {"keys": ["entry"]}
        assert "my/" in data(await server.list("sys/raw"))["keys"]
        assert ok(await server.delete("sys/raw/my/entry")).empty
        assert refused(await server.read("sys/raw/my/entry")) == ("NotFound", "")
        assert refused(await server.list("sys/raw/my")) == ("NotFound", "")

    served(scenario, **ON)


def test_bytes_go_in_and_out_in_base64() -> None:
    async def scenario(server: WholeServer) -> None:
        value = base64.b64encode(b"\xff\x00").decode()
        ok(await server.write("sys/raw/b", value=value, encoding="base64"))
        assert data(await server.ask(Operation.READ, "sys/raw/b", encoding="base64")) == {"value": value}
        assert refused(await server.read("sys/raw/b")) == (
            "BadRequest",
            "the value is no text: read it with encoding=base64",
        )

    served(scenario, **ON)


@pytest.mark.parametrize(
    ("operation", "path", "body", "text"),
    [
        *((operation, "core/keyring", {}, "'core/keyring'") for operation in OPERATIONS),
        *((operation, SEAL_CONFIG_KEY, {}, f"'{SEAL_CONFIG_KEY}'") for operation in OPERATIONS),
        (Operation.UPDATE, "x", {"value": "?", "encoding": "base64"}, "the value is not in base64"),
        (Operation.UPDATE, "x", {"encoding": "hex"}, "invalid encoding type 'hex'"),
        (Operation.READ, "x", {"encoding": "hex"}, "invalid encoding type 'hex'"),
        (Operation.UPDATE, "x/../y", {"value": "a"}, ""),
    ],
)
def test_what_must_not_be_touched_is_not(operation: Operation, path: str, body: dict[str, str], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        before = await server.storage.get("core/keyring")
        kind, said = refused(await server.ask(operation, f"sys/raw/{path}", **body))
        assert kind == "BadRequest"
        assert text in said
        assert await server.storage.get("core/keyring") == before

    served(scenario, **ON)


def test_a_damaged_entry_is_told_of_and_can_be_replaced() -> None:
    async def scenario(server: WholeServer) -> None:
        await server.storage.commit(Batch({"broken": b"not encrypted"}))
        kind, text = refused(await server.read("sys/raw/broken"))
        assert (kind, text) == (
            "BadRequest",
            "cannot read 'broken': it is damaged, or was not written through the barrier",
        )
        ok(await server.write("sys/raw/broken", value="whole"))
        assert data(await server.read("sys/raw/broken")) == {"value": "whole"}

    served(scenario, **ON)


def test_writing_what_is_not_there_needs_create() -> None:
    async def scenario(server: WholeServer) -> None:
        token = await limited(server, "update", "sudo")
        assert refused(await server.write("sys/raw/new", token, value="x"))[0] == "PermissionDenied"
        ok(await server.write("sys/raw/new", value="x"))
        ok(await server.write("sys/raw/new", token, value="y"))

    served(scenario, **ON)
