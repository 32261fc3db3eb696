from __future__ import annotations

import asyncio

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

PATH = "sys/internal/inspect/router"


@pytest.mark.parametrize(
    ("tag", "key"), [("root", "mount_path"), ("uuid", "uuid"), ("accessor", "accessor"), ("storage", "storage_prefix")]
)
def test_mounts_are_listed_with_where_they_are_stored(tag: str, key: str) -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/mine", type="kv"))
        ok(await server.write("mine/a", v="1"))
        entries = data(await server.read(f"{PATH}/{tag}"))[tag]
        assert [entry[key] for entry in entries] == sorted(entry[key] for entry in entries)
        assert {"sys/", "cubbyhole/", "identity/", "token/", "mine/"} <= {entry["mount_path"] for entry in entries}
        mine = next(entry for entry in entries if entry["mount_path"] == "mine/")
        assert (mine["mount_type"], mine["tainted"], mine["mount_namespace"]) == ("kv", False, "")
        assert data(await server.list(f"sys/raw/{mine['storage_prefix']}"))["keys"]

    served(scenario, introspection_endpoint=True, raw_storage_endpoint=True)


def test_a_mount_that_is_being_taken_down_shows() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/mine", type="kv"))
        mount = server.live.mounts.by_path("mine")
        assert mount is not None
        await asyncio.wait_for(server.live.mounts.leave(mount), 60)
        entries = data(await server.read(f"{PATH}/root"))["root"]
        assert [entry["mount_path"] for entry in entries if entry["tainted"]] == ["mine/"]

    served(scenario, introspection_endpoint=True)


def test_another_tag_is_refused() -> None:
    async def scenario(server: WholeServer) -> None:
        name, text = refused(await server.read(f"{PATH}/hunter2"))
        assert (name, "hunter2" in text) == ("BadRequest", False)

    served(scenario, introspection_endpoint=True)


def test_it_is_off_unless_switched_on_and_needs_sudo() -> None:
    async def off(server: WholeServer) -> None:
        assert refused(await server.read(f"{PATH}/root"))[0] == "UnsupportedPath"

    async def on(server: WholeServer) -> None:
        assert refused(await server.read(f"{PATH}/root", by=await limited(server, "read")))[0] == "PermissionDenied"
        ok(await server.read(f"{PATH}/root", by=await limited(server, "read", "sudo")))

    served(off)
    served(on, introspection_endpoint=True)
