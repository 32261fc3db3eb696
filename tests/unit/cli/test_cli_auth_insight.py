"""`auth doctor`, `auth last-logins` and `auth search-secret-ids`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

DOCTOR = "POST /v1/sys/auth-doctor/approle"


def found(ok: bool) -> tuple[int, dict[str, Any]]:
    checks = [
        {"check": "role", "result": "ok", "detail": "it exists"},
        {"check": "secret id", "result": "ok" if ok else "failed", "detail": "it expired 5 s ago"},
        {"check": "cidr", "result": "skipped", "detail": "none"},
    ]
    return 200, {"data": {"checks": checks, "ok": ok, "reason": "" if ok else "secret id: it expired 5 s ago"}}


def test_the_doctor_prints_each_check_and_the_verdict(vault: Vault, server: FakeServer) -> None:
    server.answers[DOCTOR] = found(False)
    result = vault("auth", "doctor", "auth/approle/", "-role=ci")
    assert (result.code, result.err) == (2, "")
    assert result.out.splitlines() == [
        "✓    role         it exists",
        "✗    secret id    it expired 5 s ago",
        "-    cidr         none",
        "",
        "The login fails: secret id: it expired 5 s ago",
    ]
    server.answers[DOCTOR] = found(True)
    result = vault("auth", "doctor", "-format=json", "approle")
    assert (result.code, result.json["data"]["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["-role=ci", "approle"], {"role": "ci"}),
        (["approle", "-role=ci", "-role-id=r"], {"role": "ci", "role_id": "r"}),
        (["approle", "-secret-id=@FILE"], {"secret_id": "s"}),
        (["approle", "-jwt=-"], {"jwt": "from stdin"}),
        (["approle", "secret_id=@FILE", "remote_address=10.0.0.1"], {"secret_id": "s", "remote_address": "10.0.0.1"}),
        (["approle", "-username=ann", "-password=a b"], {"username": "ann", "password": "a b"}),
    ],
)
def test_what_the_doctor_is_given(
    vault: Vault, server: FakeServer, tmp_path: Path, words: list[str], body: dict[str, str]
) -> None:
    file = tmp_path / "secret-id"
    file.write_text("s\n")
    server.answers[DOCTOR] = found(True)
    vault("auth", "doctor", *(word.replace("FILE", str(file)) for word in words), stdin="from stdin\n")
    assert server.seen[0].json == body


def test_the_last_logins_of_all_pages(vault: Vault, server: FakeServer) -> None:
    login = {"last_login_time": "2026-01-02T03:04:05Z", "remote_address": "10.0.0.1", "logins": 2, "entity_id": "e"}
    at = "GET /v1/sys/internal/logins/approle?"
    server.answers[f"{at}list=true"] = (200, {"data": {"keys": ["a"], "key_info": {"a": login}}})
    server.answers[f"{at}after=a&list=true"] = (200, {"data": {"keys": ["b"], "key_info": {"b": login}}})
    result = vault("auth", "last-logins", "approle")
    assert result.code == 0
    assert result.out.splitlines() == [
        "Role    Last Login                       From        Logins    Entity",
        "----    ----------                       ----        ------    ------",
        "a       2026-01-02 03:04:05 +0000 UTC    10.0.0.1    2         e",
        "b       2026-01-02 03:04:05 +0000 UTC    10.0.0.1    2         e",
    ]
    server.answers[f"{at}role=a"] = (200, {"data": login})
    assert vault("auth", "last-logins", "auth/approle/", "-role=a", "-format=json").json == {"a": login}
    result = vault("auth", "last-logins", "-role=c", "approle")
    assert (result.code, result.err) == (2, "c has not logged in yet\n")
    assert vault("auth", "last-logins", "other").err == "Nobody has logged in at other/ yet\n"


def test_secret_ids_are_searched_to_the_end(vault: Vault, server: FakeServer) -> None:
    at = "POST /v1/auth/approle/role/ci/secret-id/search"
    one = {"metadata": {"team": "x", "host": "h"}, "secret_id_ttl": 60, "expiration_time": "2026-01-02T03:04:05Z"}
    two = {"metadata": {}, "secret_id_ttl": 0, "secret_id_num_uses": 3, "expiration_time": "0001-01-01T00:00:00Z"}
    answers = [
        (200, {"data": {"keys": ["a"], "key_info": {"a": one}, "next": "n"}}),
        (200, {"data": {"keys": ["b"], "key_info": {"b": two}, "next": ""}}),
    ]
    server.answers[at] = list(answers)
    result = vault("auth", "search-secret-ids", "ci", "team=x")
    assert result.out.splitlines() == [
        "Accessor    Metadata         TTL    Uses    Expires",
        "--------    --------         ---    ----    -------",
        "a           host=h,team=x    1m     -       2026-01-02 03:04:05 +0000 UTC",
        "b           -                -      3       never",
    ]
    assert [seen.json["after"] for seen in server.seen] == ["", "n"]
    assert server.seen[0].json["metadata"] == {"team": "x"}
    server.answers[at] = list(answers)
    result = vault("auth", "search-secret-ids", "-limit=1", "ci")
    assert (result.code, result.err) == (0, "There are more; -limit is 1.\n")
    server.answers[at] = (200, {"data": {"keys": [], "key_info": {}, "next": ""}})
    assert vault("auth", "search-secret-ids", "ci").code == 2
    assert vault("auth", "search-secret-ids", "-format=json", "ci").json == {}
    server.answers["POST /v1/auth/m/role/ci/secret-id/search"] = answers[1]
    assert vault("auth", "search-secret-ids", "-path=auth/m/", "ci").code == 0
