from __future__ import annotations

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

TOKENS = "sys/internal/counters/tokens"


async def count(server: WholeServer) -> int:
    total = data(await server.read(TOKENS))["counters"]["service_tokens"]["total"]
    assert isinstance(total, int)
    return total


def test_service_tokens_are_counted_as_they_come_and_go() -> None:
    async def scenario(server: WholeServer) -> None:
        assert await count(server) == 1
        token = await server.token()
        await server.token(type="batch")
        assert await count(server) == 2
        ok(await server.write("auth/token/revoke", token=token))
        assert await count(server) == 1

    served(scenario)


def test_there_is_the_root_namespace() -> None:
    async def scenario(server: WholeServer) -> None:
        assert data(await server.read("sys/internal/ui/namespaces")) == {"keys": [""]}

    served(scenario)


@pytest.mark.parametrize("path", [TOKENS, "sys/internal/ui/namespaces"])
def test_both_need_a_token(path: str) -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.read(path, ""))[0] == "BadToken"

    served(scenario)
