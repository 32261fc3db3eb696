"""Requests that change nothing, or seldom something: when their entries are on record."""

from __future__ import annotations

import asyncio

from tests.unit.pipeline.probe import Gate, Probe, data, ok, played, refused


def test_a_request_that_stores_nothing_is_recorded_with_its_answer() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        assert data(await server.write("probe/seldom/a", value="")) == {"value": ""}
        assert [line["type"] for line in device.lines] == ["request", "response"]

    played(scenario)


def test_what_is_stored_after_all_is_recorded_before() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        server.storage.gate = gate = Gate()
        request = asyncio.ensure_future(server.write("probe/seldom/a", value="x"))
        await gate.reached.wait()
        assert [line["type"] for line in device.lines] == ["request"]
        assert await server.stored("a") is None
        gate.open.set()
        ok(await request)
        assert [line["type"] for line in device.lines] == ["request", "response"]
        assert await server.stored("a") == b"x"

    played(scenario)


def test_what_cannot_be_recorded_is_not_stored() -> None:
    async def scenario(server: Probe) -> None:
        server.record().refuse = ("request",)
        assert refused(await server.write("probe/seldom/a", value="x"))[0] == "InternalError"
        assert await server.stored("a") is None
        assert server.idle()

    played(scenario)
