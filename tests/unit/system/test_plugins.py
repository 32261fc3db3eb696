from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom import BUILTIN_VERSION
from strongroom.api.messages import Operation

PATH = "sys/plugins/catalog"


def test_the_catalog_shows_what_can_be_mounted() -> None:
    async def scenario(server: WholeServer) -> None:
        shown = data(await server.read(PATH))
        assert "kv" in shown["secret"]
        assert "kv-v2" not in shown["secret"]
        assert not {"system", "cubbyhole", "token", "identity"} & {*shown["secret"], *shown["auth"]}
        assert {
            "name": "kv",
            "type": "secret",
            "builtin": True,
            "version": BUILTIN_VERSION,
            "deprecation_status": "supported",
        } in shown["detailed"]
        assert len(shown["detailed"]) == sum(len(shown[kind]) for kind in ("auth", "database", "secret"))
        for kind in ("auth", "database", "secret"):
            assert data(await server.list(f"{PATH}/{kind}")) == {"keys": shown[kind]}

    served(scenario)


def test_one_plugin_is_shown() -> None:
    async def scenario(server: WholeServer) -> None:
        assert data(await server.read(f"{PATH}/secret/kv")) == {
            "name": "kv",
            "builtin": True,
            "version": BUILTIN_VERSION,
            "deprecation_status": "supported",
            "args": None,
            "command": "",
            "sha256": "",
        }

    served(scenario)


def test_a_kind_that_is_not_there_is_answered_with_a_warning() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.read(f"{PATH}/unknown/kv"))
        assert answer.data == msgspec.Raw(b"null")
        assert answer.warnings == [
            'Deprecated API endpoint, cannot read plugin information from catalog for "unknown/kv"'
        ]

    served(scenario)


@pytest.mark.parametrize(
    ("operation", "path", "body", "kind", "text"),
    [
        (Operation.READ, "secret/none", {}, "NotFound", ""),
        (Operation.READ, "auth/kv", {}, "NotFound", ""),
        (Operation.LIST, "other/", {}, "UnsupportedOperation", ""),
        (Operation.UPDATE, "secret/x", {}, "BadRequest", "missing SHA-256 value"),
        (Operation.UPDATE, "secret/x", {"sha256": "ab", "command": "x"}, "BadRequest", "plugins are Python packages"),
    ],
)
def test_what_is_refused(operation: Operation, path: str, body: dict[str, Any], kind: str, text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        got, said = refused(await server.ask(operation, f"{PATH}/{path}", **body))
        assert got == kind
        assert text in said

    served(scenario)


def test_deregistering_changes_nothing() -> None:
    async def scenario(server: WholeServer) -> None:
        for name in ("kv", "none"):
            assert ok(await server.delete(f"{PATH}/secret/{name}")).empty
        assert "kv" in data(await server.read(PATH))["secret"]

    served(scenario)


def test_all_but_the_whole_catalog_needs_sudo() -> None:
    async def scenario(server: WholeServer) -> None:
        token = await limited(server, "create", "read", "update", "delete", "list")
        ok(await server.read(PATH, token))
        assert refused(await server.list(f"{PATH}/secret", token))[0] == "PermissionDenied"
        for operation in (Operation.READ, Operation.UPDATE, Operation.DELETE):
            assert refused(await server.ask(operation, f"{PATH}/secret/kv", token))[0] == "PermissionDenied"

    served(scenario)


class Kept:
    """Something that an engine keeps open."""

    open = True

    async def aclose(self) -> None:
        self.open = False


RELOAD = "sys/plugins/reload/backend"


@pytest.mark.parametrize(
    ("body", "closed"),
    [
        ({"plugin": "kv"}, {"a/", "b/"}),
        ({"plugin": "userpass"}, {"auth/u/"}),
        ({"plugin": "postgresql-database-plugin"}, {"db/"}),
        ({"plugin": "database", "scope": "global"}, {"db/"}),
        ({"mounts": ["a", "auth/u/"]}, {"a/", "auth/u/"}),
        ({"mounts": "b/,db"}, {"b/", "db/"}),
    ],
)
def test_a_reload_forgets_what_the_mounts_keep_and_nothing_else(body: dict[str, Any], closed: set[str]) -> None:
    async def scenario(server: WholeServer) -> None:
        for path, type_ in (("mounts/a", "kv"), ("mounts/b", "kv"), ("mounts/db", "database"), ("auth/u", "userpass")):
            ok(await server.ask(Operation.UPDATE, f"sys/{path}", type=type_))
        ok(await server.ask(Operation.UPDATE, "a/x", k="v"))
        paths = ("a/", "b/", "db/", "auth/u/")
        kept = {path: Kept() for path in paths}
        for path in paths:
            mount = server.live.mounts.by_path(path)
            assert mount is not None
            server.live.engines.memory(mount.entry.uuid)["kept"] = kept[path]
        answer = ok(await server.ask(Operation.UPDATE, RELOAD, **body))
        assert answer.status == (202 if "scope" in body else 200)
        assert data(answer)["reload_id"]
        assert {path for path in paths if not kept[path].open} == closed
        assert msgspec.json.decode(ok(await server.read("a/x")).data) == {"k": "v"}

    served(scenario)


def test_a_reload_of_nothing_says_so() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.ask(Operation.UPDATE, RELOAD, plugin="none"))
        assert answer.warnings == ["no mount is of this type: nothing was reloaded"]

    served(scenario)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "either plugin or mounts"),
        ({"plugin": "kv", "mounts": ["cubbyhole"]}, "either plugin or mounts"),
        ({"plugin": "kv", "scope": "local"}, "the scope"),
        ({"mounts": ["cubbyhole", "none"]}, 'there is no mount at "none"'),
    ],
)
def test_a_reload_that_is_refused(body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        assert text in refused(await server.ask(Operation.UPDATE, RELOAD, **body))[1]

    served(scenario)
