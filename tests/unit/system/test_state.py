from __future__ import annotations

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom.config import StorageConfig, sanitized
from strongroom.errors import ConfigError

RELOAD = "sys/config/reload/config"


def test_the_configuration_is_shown_without_what_is_secret() -> None:
    async def scenario(server: WholeServer) -> None:
        shown = data(await server.read("sys/config/state/sanitized"))
        assert shown == sanitized(server.core.config)
        assert shown["storage"]["type"] == "postgresql"
        assert "hunter2" not in repr(shown)
        assert refused(await server.read("sys/config/state/sanitized", await server.token()))[0] == "PermissionDenied"

    storage = StorageConfig(type="postgresql", settings={"connection_url": "postgres://a:hunter2@b/c"})
    served(scenario, storage=storage)


def test_a_reload_does_what_a_hang_up_signal_does() -> None:
    async def scenario(server: WholeServer) -> None:
        done: list[str] = []

        async def later() -> None:
            done.append("second")

        server.core.reloaders += [lambda: done.append("first"), later]
        assert ok(await server.write(RELOAD)).empty
        assert done == ["first", "second"]

    served(scenario)


def test_what_is_wrong_with_a_file_is_told() -> None:
    async def scenario(server: WholeServer) -> None:
        def broken() -> None:
            raise ConfigError("no such setting", file="a.hcl", line=3, column=1)

        server.core.reloaders.append(broken)
        assert refused(await server.write(RELOAD)) == ("BadRequest", "a.hcl:3:1: no such setting")

    served(scenario)


@pytest.mark.parametrize("name", ["license", "CONFIG", "x"])
def test_anything_else_cannot_be_reloaded(name: str) -> None:
    async def scenario(server: WholeServer) -> None:
        kind, text = refused(await server.write(f"sys/config/reload/{name}"))
        assert kind == "BadRequest"
        assert text == f'there is no subsystem "{name}" to reload: "config" is the one there is'

    served(scenario)


def test_reloading_needs_sudo() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.write(RELOAD, await limited(server, "update")))[0] == "PermissionDenied"

    served(scenario)


def test_there_are_no_experiments() -> None:
    async def scenario(server: WholeServer) -> None:
        assert data(await server.read("sys/experiments")) == {"available": [], "enabled": []}

    served(scenario)
