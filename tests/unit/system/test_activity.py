"""Client counts: who counts, once a month, at which mount; what is kept, and what it costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.core import activity
from strongroom.core.activity import CLIENT, Everyone, month_of, months_from, start_ns

ACTIVITY = "sys/internal/counters/activity"
MONTHLY = f"{ACTIVITY}/monthly"
EXPORT = f"{ACTIVITY}/export"
CONFIG = "sys/internal/counters/config"
#: The tests' clock begins in November 2023.
DAY = 86400


async def use(server: WholeServer, *tokens: str) -> None:
    for token in tokens:
        ok(await server.read("auth/token/lookup-self", token))


async def counts(server: WholeServer) -> tuple[int, int]:
    found = data(await server.read(MONTHLY))
    return found["entity_clients"], found["non_entity_clients"]


async def login(server: WholeServer, *names: str) -> list[str]:
    if server.live.mounts.by_path("auth/userpass/") is None:
        ok(await server.write("sys/auth/userpass", type="userpass"))
    tokens = []
    for name in names:
        ok(await server.write(f"auth/userpass/users/{name}", password="long enough"))
        answer = ok(await server.write(f"auth/userpass/login/{name}", "", password="long enough"))
        assert answer.auth is not None
        tokens.append(answer.auth.client_token)
    return tokens


async def next_month(server: WholeServer) -> None:
    server.clock.advance(31 * DAY)
    await server.live.activity._work()


async def exported(server: WholeServer, **query: Any) -> str:
    answer = ok(await server.read(EXPORT, **query))
    return b"".join([chunk async for chunk in answer.bare]).decode()  # type: ignore[union-attr]


def test_a_client_counts_once_however_often_it_comes() -> None:
    async def scenario(server: WholeServer) -> None:
        assert await counts(server) == (0, 0)
        anna, ben = await login(server, "anna", "ben")
        await use(server, anna, anna, ben, anna)
        (again,) = await login(server, "anna")
        await use(server, again)
        assert await counts(server) == (2, 0)

    served(scenario)


def test_tokens_without_an_entity_count_by_their_policies() -> None:
    async def scenario(server: WholeServer) -> None:
        same = [await server.token(policies=["a"]) for _ in range(3)]
        other = await server.token(policies=["b"], type="batch")
        await use(server, *same, other)
        assert await counts(server) == (0, 2)

    served(scenario)


def test_root_and_wrapping_tokens_do_not_count() -> None:
    async def scenario(server: WholeServer) -> None:
        wrapped = ok(await server.read("auth/token/lookup-self", wrap_ttl=60))
        assert wrapped.wrap is not None
        ok(await server.write("sys/wrapping/unwrap", wrapped.wrap.token))
        assert await counts(server) == (0, 0)

    served(scenario)


def test_an_unused_token_does_not_count() -> None:
    async def scenario(server: WholeServer) -> None:
        await login(server, "anna")
        await server.token(policies=["a"])
        assert await counts(server) == (0, 0)

    served(scenario)


def test_counts_outlive_the_server() -> None:
    async def scenario(server: WholeServer) -> None:
        await use(server, *await login(server, "anna"))
        await server.restart()
        assert await counts(server) == (1, 0)

    served(scenario)


def test_a_report_tells_months_mounts_and_new_clients_apart() -> None:
    async def scenario(server: WholeServer) -> None:
        anna, ben = await login(server, "anna", "ben")
        job = await server.token(policies=["a"], ttl="8000h", explicit_max_ttl="8000h")
        await use(server, anna, job)
        await next_month(server)
        (anna,) = await login(server, "anna")
        await use(server, anna, ben, job)
        await next_month(server)
        report = data(await server.read(ACTIVITY))
        assert (report["start_time"], report["end_time"]) == ("2023-11-01T00:00:00Z", "2023-12-31T23:59:59Z")
        assert report["total"] == {
            "distinct_entities": 2,
            "entity_clients": 2,
            "non_entity_tokens": 1,
            "non_entity_clients": 1,
            "clients": 3,
        }
        (root,) = report["by_namespace"]
        assert (root["namespace_id"], root["namespace_path"]) == ("root", "")
        assert [(one["mount_path"], one["counts"]["clients"]) for one in root["mounts"]] == [
            ("auth/userpass/", 2),
            ("auth/token/", 1),
        ]
        months = [
            (one["timestamp"], one["counts"]["clients"], one["new_clients"]["counts"]["clients"])
            for one in report["months"]
        ]
        assert months == [("2023-11-01T00:00:00Z", 2, 2), ("2023-12-01T00:00:00Z", 3, 1)]

    served(scenario, max_lease_ttl=9000 * 3600)


def test_a_month_without_clients_stands_empty_between_others() -> None:
    async def scenario(server: WholeServer) -> None:
        for gap in (2, 1):
            await use(server, *await login(server, "anna"))
            for _ in range(gap):
                await next_month(server)
        report = data(await server.read(ACTIVITY))
        assert [one["counts"] is None for one in report["months"]] == [False, True, False]
        assert report["total"]["clients"] == 1

    served(scenario)


def test_without_whole_months_there_is_no_report_unless_it_is_asked_for() -> None:
    async def scenario(server: WholeServer) -> None:
        await use(server, *await login(server, "anna"))
        assert ok(await server.read(ACTIVITY)).status == 204
        assert data(await server.read(CONFIG))["queries_available"] is False
        now = data(await server.read(ACTIVITY, start_time="2023-11-01T00:00:00Z", end_time="1700000000"))
        assert now["total"]["clients"] == 1
        await next_month(server)
        assert data(await server.read(CONFIG))["queries_available"] is True

    served(scenario)


def test_a_mount_that_is_gone_keeps_its_clients() -> None:
    async def scenario(server: WholeServer) -> None:
        await use(server, *await login(server, "anna"))
        accessor = server.live.mounts.by_path("auth/userpass/").entry.accessor  # type: ignore[union-attr]
        ok(await server.delete("sys/auth/userpass"))
        (root,) = data(await server.read(MONTHLY))["by_namespace"]
        assert root["mounts"][0]["mount_path"] == f'deleted mount; accessor "{accessor}"'

    served(scenario)


def test_the_export_names_every_client() -> None:
    async def scenario(server: WholeServer) -> None:
        await use(server, *await login(server, "anna"), await server.token(policies=["a"]))
        period = {"start_time": "2023-11-01", "end_time": "2023-11-30"}
        rows = [json.loads(line) for line in (await exported(server, **period)).splitlines()]
        assert [row["non_entity"] for row in rows] == [False, True]
        assert {row["timestamp"] for row in rows} == {int(server.clock.now())}
        lines = (await exported(server, **period, format="csv")).splitlines()
        assert lines[0] == "client_id,namespace_id,timestamp,mount_accessor,non_entity"
        assert [line.rsplit(",", 1)[1] for line in lines[1:]] == ["false", "true"]

    served(scenario)


def test_the_export_needs_sudo() -> None:
    async def scenario(server: WholeServer) -> None:
        await server.policy("plain", 'path "sys/*" { capabilities = ["read"] }')
        assert refused(await server.read(EXPORT, await server.token(policies=["plain"])))[0] == "PermissionDenied"

    served(scenario)


def test_settings_stay_and_only_what_is_given_changes() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write(CONFIG, default_report_months=3))
        ok(await server.write(CONFIG, retention_months=6, enabled="enable"))
        await server.restart()
        found = data(await server.read(CONFIG))
        assert (found["enabled"], found["default_report_months"], found["retention_months"]) == ("enable", 3, 6)

    served(scenario)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"enabled": "maybe"}, "enabled"),
        ({"default_report_months": 0}, "default_report_months"),
        ({"retention_months": -1}, "retention_months"),
        ({"retention_months": 0}, "retention_months"),
        ({"retention_months": 10**9}, "retention_months"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(body: dict[str, Any], named: str) -> None:
    async def scenario(server: WholeServer) -> None:
        kind, *texts = refused(await server.write(CONFIG, **body))
        assert kind == "BadRequest"
        assert named in str(texts)

    served(scenario)


def test_switched_off_nothing_counts_and_the_month_is_dropped() -> None:
    async def scenario(server: WholeServer) -> None:
        (anna,) = await login(server, "anna")
        await use(server, anna)
        assert await counts(server) == (1, 0)
        assert ok(await server.write(CONFIG, enabled="disable")).warnings
        await server.live.activity._forget("2023-11")
        await use(server, anna)
        assert await counts(server) == (0, 0)
        assert isinstance(server.live.activity.seen, Everyone)
        ok(await server.write(CONFIG, enabled="enable"))
        await use(server, anna)
        assert await counts(server) == (1, 0)

    served(scenario)


def test_what_is_older_than_the_retention_goes() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write(CONFIG, retention_months=1))
        await use(server, *await login(server, "anna", "ben"))
        await next_month(server)
        await use(server, *await login(server, "anna"))
        await next_month(server)
        assert len(await server.live.barrier.list(CLIENT)) == 1
        report = data(await server.read(ACTIVITY))
        assert (report["start_time"], report["total"]["clients"]) == ("2023-12-01T00:00:00Z", 1)

    served(scenario)


def test_memory_is_bounded_and_forgetting_counts_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "MOST_SEEN", 2)

    async def scenario(server: WholeServer) -> None:
        tokens = await login(server, "anna", "ben", "carl")
        for _ in range(2):
            await use(server, *tokens)
            assert len(server.live.activity._seen) <= 2
        assert await counts(server) == (3, 0)

    served(scenario)


def test_what_storage_cannot_keep_up_with_is_noted_when_it_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "MOST_PENDING", 2)

    async def scenario(server: WholeServer) -> None:
        tokens = await login(server, "anna", "ben", "carl")
        await use(server, *tokens)
        assert await counts(server) == (2, 0)
        await use(server, *tokens)
        assert await counts(server) == (3, 0)

    served(scenario)


@pytest.mark.parametrize("value", ["yesterday", "2023-13-01", "99999999999999999999", "0001-01-01T00:00:00+23:59"])
def test_a_moment_that_is_none_is_refused_by_name(value: str) -> None:
    async def scenario(server: WholeServer) -> None:
        kind, *texts = refused(await server.read(ACTIVITY, start_time=value))
        assert kind == "BadRequest"
        assert "start_time" in str(texts)

    served(scenario)


def test_a_range_ends_after_it_begins() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = await server.read(ACTIVITY, start_time="2023-05-01", end_time="2023-04-01")
        assert refused(answer)[0] == "BadRequest"

    served(scenario)


@given(st.text(max_size=40))
def test_any_text_for_a_moment_is_one_or_refused(text: str) -> None:
    from strongroom.errors import BadRequest
    from strongroom.system.counters import _month_at

    try:
        month = _month_at("start_time", text)
    except BadRequest:
        return
    assert month == "" or len(month) == 7


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9000, 1, 1)), st.integers(-500, 500))
def test_months_add_up(moment: datetime, count: int) -> None:
    month = month_of(int(moment.replace(tzinfo=UTC).timestamp()) * 10**9)
    assert month == f"{moment:%Y-%m}".zfill(7)
    assert months_from(months_from(month, count), -count) == month
    assert month_of(start_ns(month)) == month


def test_entities_are_counted_and_requests_are_not() -> None:
    async def scenario(server: WholeServer) -> None:
        await login(server, "anna", "ben")
        assert data(await server.read("sys/internal/counters/entities")) == {"counters": {"entities": {"total": 2}}}
        kind, *_ = refused(await server.read("sys/internal/counters/requests"))
        assert kind == "NotFound"

    served(scenario)
