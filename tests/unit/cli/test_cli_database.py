"""Proving a connection, and who makes the leases."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault


@pytest.fixture
def server() -> Any:
    fake = FakeServer()
    yield fake
    fake.close()


STEPS: list[dict[str, Any]] = [
    {"step": "connect", "role": "", "ok": True},
    {"step": "log in", "role": "ro", "ok": None, "error": "no way to"},
    {"step": "create", "role": "ro", "ok": False, "error": "it said no", "number": 2, "statement": "GRANT x"},
]


def test_a_check_shows_each_step_and_what_was_refused(vault: Vault, server: FakeServer) -> None:
    server.answers["POST /v1/db/check/app"] = (200, {"data": {"name": "app", "ok": False, "steps": STEPS}})
    result = vault("database", "check", "-mount=db", "-role=ro", "app")
    assert result.code == 2
    assert result.out == (
        "✓ connect\n- log in (ro)\n    no way to\n✗ create (ro)\n    it said no\n    statement 2: GRANT x\n"
    )
    assert server.seen[-1].json == {"role": "ro"}


def test_a_check_that_succeeds_is_exit_code_0(vault: Vault, server: FakeServer) -> None:
    server.answers["POST /v1/database/check/app"] = (200, {"data": {"name": "app", "ok": True, "steps": STEPS[:1]}})
    assert vault("database", "check", "app")[:2] == (0, "✓ connect\n")
    assert vault("database", "check", "-format=json", "app").json["data"]["ok"]


@pytest.mark.parametrize(
    ("by", "top", "words"),
    [
        ("role", {"path": "db/creds/ro"}, "db/creds/ro"),
        ("token", {"display_name": "app", "accessor": "acc"}, "app             acc"),
    ],
)
def test_the_busiest_producers_are_shown_with_their_share(
    vault: Vault, server: FakeServer, by: str, top: dict[str, str], words: str
) -> None:
    data = {"group_by": by, "leases": 4, "producers": 2, "top": [{**top, "leases": 3}]}
    server.answers[f"GET /v1/sys/leases/top?group_by={by}&limit=1"] = (200, {"data": data})
    result = vault("lease", "top", f"-by={by}", "-limit=1")
    assert result.code == 0, result
    assert f"3         75.0%    {words}\n" in result.out
    assert result.out.endswith("4 leases by 2 producers\n")
