from __future__ import annotations

import re

from tests.unit.auth.own_server import ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom.api.messages import Operation, Request, Response
from strongroom.config import Telemetry
from strongroom.pipeline import handle

PATH = "sys/metrics"
NAMES = {"vault_core_active", "vault_core_unsealed", "vault_expire_num_leases", "vault_runtime_alloc_bytes"}
LINE = re.compile(r'(\w+)(\{\w+="[^"]*"\})? ([0-9.e+]+)')


async def readings(server: WholeServer) -> dict[str, float]:
    answer = ok(await server.read(PATH, format="prometheus"))
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert isinstance(answer.bare, bytes)
    found = [LINE.fullmatch(line) for line in answer.bare.decode().splitlines() if not line.startswith("#")]
    return {m[1]: float(m[3]) for m in found if m is not None}


def test_prometheus_gets_a_line_for_each_gauge() -> None:
    async def scenario(server: WholeServer) -> None:
        found = await readings(server)
        assert found.keys() >= NAMES
        assert found["vault_core_unsealed"] == found["vault_core_active"] == 1
        assert found["vault_runtime_alloc_bytes"] > 1e6

    served(scenario)


def test_leases_are_counted_again_after_a_while_and_not_at_every_scrape() -> None:
    async def scenario(server: WholeServer) -> None:
        before = (await readings(server))["vault_expire_num_leases"]
        await server.token(policies=["default"])
        assert (await readings(server))["vault_expire_num_leases"] == before
        server.clock.advance(60)
        assert (await readings(server))["vault_expire_num_leases"] == before + 1

    served(scenario)


def test_without_a_format_the_gauges_are_json() -> None:
    async def scenario(server: WholeServer) -> None:
        body = ok(await server.read(PATH)).bare
        assert isinstance(body, dict)
        assert body.keys() == {"Timestamp", "Gauges", "Points", "Counters", "Samples"}
        assert {row["Name"] for row in body["Gauges"]} >= {"vault.core.active", "vault.expire.num_leases"}

    served(scenario)


def test_another_format_is_refused_in_plain_text() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.read(PATH, format="xml"))
        assert (answer.status, answer.bare) == (400, b'metric response format "xml" unknown')

    served(scenario)


def test_prometheus_is_off_without_a_retention_time() -> None:
    async def scenario(server: WholeServer) -> None:
        assert ok(await server.read(PATH, format="prometheus")).status == 400
        assert ok(await server.read(PATH)).status == 0

    served(scenario, telemetry=Telemetry(prometheus_retention_time=0))


def test_it_needs_the_right_to_read_unless_the_listener_serves_it_to_all() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.read(PATH, by=""))[0] == "BadToken"
        assert refused(await server.read(PATH, by=await limited(server, "update")))[0] == "PermissionDenied"
        ok(await server.read(PATH, by=await limited(server, "read")))
        request = Request(id="1", operation=Operation.READ, path=PATH, open_paths=frozenset({PATH}))
        assert isinstance(await handle(server.core, request), Response)

    served(scenario)
