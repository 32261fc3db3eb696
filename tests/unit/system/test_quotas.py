from __future__ import annotations

from typing import Any

import pytest
from tests.unit.auth.own_server import Answer, data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.api.context import Context
from strongroom.api.messages import Operation, Response
from strongroom.core.quotas import EXEMPT
from strongroom.errors import RequestError

RULES = "sys/quotas/rate-limit"
CONFIG = "sys/quotas/config"
LIMITED = ("TooManyRequests", 'request path "kv/a": rate limit quota exceeded')


async def mount(server: WholeServer, *paths: str) -> None:
    for path in paths:
        ok(await server.write(f"sys/mounts/{path}", type="kv"))


async def rule(server: WholeServer, name: str = "r", **body: Any) -> None:
    ok(await server.post(f"{RULES}/{name}", body))


async def passes(server: WholeServer, path: str, **more: Any) -> bool:
    """Whether a read of a path goes through to the engine."""
    answer = await server.read(path, **more)
    return not (isinstance(answer, RequestError) and type(answer).__name__ == "TooManyRequests")


# -- Endpoints ---------------------------------------------------------------------------------------------------------


def test_rules_are_written_read_listed_kept_and_deleted() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.list(RULES)) == ("NotFound", "")
        await mount(server, "kv")
        await rule(server, "global", rate=500)
        await rule(server, "one", path="kv", rate=1000.5, interval="2m", block_interval="10s")
        shown = {
            "global": {"path": "", "rate": 500, "interval": 1, "block_interval": 0, "inheritable": True},
            "one": {"path": "kv/", "rate": 1000.5, "interval": 120, "block_interval": 10, "inheritable": False},
        }
        for _ in range(2):
            assert data(await server.list(RULES)) == {"keys": ["global", "one"]}
            for name, fields in shown.items():
                expected = {"type": "rate-limit", "name": name, "role": "", **fields}
                assert data(await server.read(f"{RULES}/{name}")) == expected
            await server.restart()
        await rule(server, "one", path="kv", rate=5)
        again = data(await server.read(f"{RULES}/one"))
        assert (again["rate"], again["interval"], again["block_interval"]) == (5, 1, 0)
        for _ in range(2):
            assert ok(await server.delete(f"{RULES}/one")).empty
        assert refused(await server.read(f"{RULES}/one")) == ("NotFound", "")
        assert data(await server.list(RULES)) == {"keys": ["global"]}

    served(scenario)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "'rate' is invalid"),
        ({"rate": 0}, "'rate' is invalid"),
        ({"rate": -1}, "'rate' is invalid"),
        ({"rate": 1e10}, "'rate' is invalid"),
        ({"rate": 5, "path": "no-mount/"}, 'invalid mount path "no-mount/"'),
        ({"rate": 5, "path": "kv/"}, 'quota rule with similar properties exists under the name "there"'),
        ({"rate": 5, "role": "r"}, "a role needs the path of its auth method"),
        ({"rate": 5, "path": "kv", "role": "r"}, 'the mount "kv/" has no roles to limit'),
        ({"rate": 5, "path": "kv/a", "role": "r"}, "a rule is for a role or for a path below the mount, not for both"),
    ],
)
def test_bad_rules_are_refused(body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        await rule(server, "there", path="kv", rate=100)
        assert refused(await server.post(f"{RULES}/bad", body)) == ("BadRequest", text)

    served(scenario)


def test_settings_are_replaced_as_a_whole_and_kept() -> None:
    async def scenario(server: WholeServer) -> None:
        assert data(await server.read(CONFIG)) == {
            "enable_rate_limit_audit_logging": False,
            "enable_rate_limit_response_headers": False,
            "rate_limit_exempt_paths": list(EXEMPT),
        }
        body = {
            "enable_rate_limit_audit_logging": True,
            "enable_rate_limit_response_headers": True,
            "rate_limit_exempt_paths": ["sys/health", "kv/free"],
        }
        ok(await server.write(CONFIG, **body))
        await server.restart()
        assert data(await server.read(CONFIG)) == body
        ok(await server.write(CONFIG, enable_rate_limit_response_headers=False))
        assert data(await server.read(CONFIG)) == {
            "enable_rate_limit_audit_logging": False,
            "enable_rate_limit_response_headers": False,
            "rate_limit_exempt_paths": [],
        }

    served(scenario)


# -- What rules do -----------------------------------------------------------------------------------------------------


def test_a_client_that_comes_too_often_is_refused_until_its_time() -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        await rule(server, path="kv", rate=2, interval="10s")
        assert [await passes(server, "kv/a") for _ in range(3)] == [True, True, False]
        answer = await server.read("kv/a")
        assert refused(answer) == LIMITED
        assert isinstance(answer, RequestError)
        assert answer.headers == {"Retry-After": "5"}
        assert await passes(server, "kv/a", address="10.0.0.9")
        assert await passes(server, "sys/mounts")
        server.clock.advance(5)
        assert [await passes(server, "kv/a") for _ in range(2)] == [True, False]

    served(scenario)


def test_it_is_refused_before_its_token_is_looked_at() -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        await rule(server, path="kv", rate=1, interval="10s")
        token = await server.token(num_uses=1)
        assert refused(await server.read("kv/a", "nonsense"))[0] == "BadToken"
        assert refused(await server.read("kv/a", token)) == LIMITED
        assert data(await server.write("auth/token/lookup", token=token))["num_uses"] == 1

    served(scenario)


@pytest.mark.parametrize(
    ("path", "limited", "free"),
    [
        ("", ["kv/a", "other/b", "nowhere/c"], []),
        ("kv", ["kv/a", "kv/b/c", "kv/"], ["other/a", "kv2/a"]),
        ("kv/a", ["kv/a", "kv/a/"], ["kv/ab", "kv/a/b", "kv/b"]),
        ("kv/a*", ["kv/a", "kv/ab", "kv/a/b"], ["kv/b"]),
        ("/kv/a/", ["kv/a"], ["kv/a/b"]),
    ],
)
def test_a_rule_is_about_what_it_says(path: str, limited: list[str], free: list[str]) -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv", "other", "kv2")
        await rule(server, path=path, rate=1, interval="1h")
        for number, each in enumerate(limited):
            address = f"10.0.0.{number}"
            assert [await passes(server, each, address=address) for _ in range(2)] == [True, False], each
        for each in free:
            assert [await passes(server, each, address="10.0.1.1") for _ in range(2)] == [True, True], each

    served(scenario)


def test_the_most_specific_rule_alone_counts() -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        scopes = {"": 5, "kv": 4, "kv/a*": 3, "kv/abc*": 2, "kv/abcd": 1}
        for number, (path, rate) in enumerate(scopes.items()):
            await rule(server, f"r{number}", path=path, rate=rate, interval="1h")
        for path, allowed in [("kv/abcd", 1), ("kv/abcde", 2), ("kv/ax", 3), ("kv/x", 4), ("sys/mounts", 5)]:
            address = path.replace("/", "-")
            assert sum([await passes(server, path, address=address) for _ in range(9)]) == allowed, path

    served(scenario)


def test_a_rule_moves_with_its_mount_and_goes_with_it() -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        await rule(server, path="kv/a", rate=1, interval="1h")
        ok(await server.post("sys/remount", {"from": "kv", "to": "moved"}))
        assert data(await server.read(f"{RULES}/r"))["path"] == "moved/a"
        assert [await passes(server, "moved/a") for _ in range(2)] == [True, False]
        ok(await server.delete("sys/mounts/moved"))
        assert refused(await server.read(f"{RULES}/r"))[0] == "NotFound"
        assert refused(await server.list(RULES))[0] == "NotFound"
        await mount(server, "moved")
        assert [await passes(server, "moved/a") for _ in range(2)] == [True, True]
        await server.restart()
        assert not server.live.quotas.table.rules

    served(scenario)


@pytest.mark.parametrize(
    ("exempt", "path", "free"),
    [
        (["sys/health"], "sys/health", True),
        (["sys/mounts"], "sys/mounts", True),
        (["sys/mounts"], "sys/mounts/kv/tune", True),
        (["sys/mounts"], "sys/mountsx", False),
        (["/kv/free/"], "kv/free/x", True),
        (["kv/fr*"], "kv/free", True),
        (["*"], "kv/a", True),
        ([], "sys/health", False),
        ([""], "kv/a", False),
    ],
)
def test_exempt_paths_have_no_limit(exempt: list[str], path: str, free: bool) -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write(CONFIG, rate_limit_exempt_paths=exempt))
        await rule(server, rate=1, interval="1h")
        assert [await passes(server, path) for _ in range(2)] == [True, free]

    served(scenario)


def test_what_the_server_must_always_answer_is_exempt_from_the_start() -> None:
    async def scenario(server: WholeServer) -> None:
        await rule(server, rate=1, interval="1h")
        for path in ("sys/health", "sys/seal-status"):
            assert [await passes(server, path) for _ in range(2)] == [True, True]

    served(scenario)


def test_answers_tell_what_is_left_when_asked_to() -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        await rule(server, path="kv", rate=2, interval="10s")
        ok(await server.write("kv/a", x="y"))
        assert ok(await server.read("kv/a")).headers == {}
        server.clock.advance(10)
        ok(await server.write(CONFIG, enable_rate_limit_response_headers=True))
        now = int(server.clock.now())

        def told(answer: Answer) -> dict[str, str]:
            return dict(answer.headers)

        limit = {"X-Ratelimit-Limit": "2"}
        first = {**limit, "X-Ratelimit-Remaining": "1", "X-Ratelimit-Reset": str(now + 5)}
        assert told(await server.read("kv/a")) == first
        none = {**limit, "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(now + 10)}
        assert told(await server.read("kv/none")) == none  # a 404
        assert told(await server.read("kv/a")) == {**none, "Retry-After": "5"}

    served(scenario)


@pytest.mark.parametrize(("settings", "lines"), [({}, 0), ({"enable_rate_limit_audit_logging": True}, 1)])
def test_refusals_are_audited_only_when_asked_to(settings: dict[str, Any], lines: int, tmp_path: Any) -> None:
    file = tmp_path / "audit.log"

    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        await rule(server, path="kv", rate=1, interval="1h")
        ok(await server.write(CONFIG, **settings))
        ok(await server.write("sys/audit/file", type="file", options={"file_path": str(file)}))
        await server.read("kv/a")
        before = len(file.read_text().splitlines())
        assert refused(await server.read("kv/a")) == LIMITED
        new = file.read_text().splitlines()[before:]
        assert len(new) == lines
        assert all('"error":"rate limit quota exceeded"' in line and '"type":"request"' in line for line in new)

    served(scenario)


def test_logins_are_limited_by_the_role_that_the_engine_finds() -> None:
    async def scenario(server: WholeServer) -> None:
        await mount(server, "kv")
        engine = server.live.mounts.by_path("kv").engine  # type: ignore[union-attr]

        async def role_of(ctx: Context, path: str) -> str:
            return str(ctx.request.data.get("role", "")) if path == "login" else ""

        engine.role_of = role_of
        try:
            await rule(server, path="kv", role="ci", rate=1, interval="1h")
            asked = {"operation": Operation.UPDATE, "path": "kv/login"}
            answers = [await server.ask(**asked, role=role) for role in ("ci", "ci", "dev", "dev")]  # type: ignore[arg-type]
            assert [isinstance(answer, Response) for answer in answers] == [True, False, True, True]
            assert data(await server.read(f"{RULES}/r"))["role"] == "ci"
        finally:
            engine.role_of = None

    served(scenario)
