from __future__ import annotations

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.system import host_info


def test_the_machine_is_shown() -> None:
    async def scenario(server: WholeServer) -> None:
        shown = data(await server.read("sys/host-info"))
        assert shown.keys() == {"cpu", "cpu_times", "disk", "host", "memory", "timestamp"}
        assert shown["timestamp"] == "2023-11-14T22:13:20Z"
        assert refused(await server.read("sys/host-info", await server.token()))[0] == "PermissionDenied"

    served(scenario)


def test_what_cannot_be_read_is_null_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise FileNotFoundError("/proc/meminfo")

    monkeypatch.setitem(host_info._PARTS, "memory", fails)

    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.read("sys/host-info"))
        assert data(answer)["memory"] is None
        assert answer.warnings == ["the machine's memory information cannot be read"]

    served(scenario)
