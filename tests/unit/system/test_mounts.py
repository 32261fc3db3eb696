"""`sys/mounts`, `sys/auth`, `sys/remount`: enabling, tuning, moving and disabling, refusals that repeat no value."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.auth.own_server import Answer, data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom import BUILTIN_VERSION

SECRET = "hunter2"


def secret(answer: Answer) -> Any:
    """What KV answers: the JSON text that was stored."""
    text = ok(answer).data
    assert isinstance(text, msgspec.Raw)
    return msgspec.json.decode(text)


def test_a_mount_serves_is_listed_and_takes_its_data_with_it() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/app", type="kv", description="application"))
        ok(await server.write("app/one", v="1"))
        answer = ok(await server.read("sys/mounts"))
        assert answer.flat
        shown = data(answer)["app/"]
        assert (shown["type"], shown["description"], shown["options"]) == ("kv", "application", {})
        assert shown["accessor"].startswith("kv_")
        assert data(await server.read("sys/mounts/app")) == data(await server.read("sys/mounts/app/")) == shown
        assert "already in use at app/" in refused(await server.write("sys/mounts/app", type="kv"))[1]
        ok(await server.delete("sys/mounts/app/"))
        assert refused(await server.read("app/one"))[0] == "NoRoute"
        ok(await server.delete("sys/mounts/app"))
        ok(await server.write("sys/mounts/app", type="kv"))
        assert refused(await server.read("app/one")) == ("NotFound", "")

    served(scenario)


def test_mounts_and_their_tuning_survive_a_restart() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/app", type="kv-v2", config={"default_lease_ttl": "1h"}, local=True))
        ok(await server.write("sys/mounts/app/tune", description="tuned", audit_non_hmac_request_keys="a,b"))
        ok(await server.write("sys/mounts/gone", type="kv"))
        ok(await server.delete("sys/mounts/gone"))
        before = data(await server.read("sys/mounts"))
        tuning = data(await server.read("sys/mounts/app/tune"))
        await server.restart()
        assert data(await server.read("sys/mounts")) == before
        assert data(await server.read("sys/mounts/app/tune")) == tuning
        assert tuning == {
            "audit_non_hmac_request_keys": ["a", "b"],
            "default_lease_ttl": 3600,
            "description": "tuned",
            "force_no_cache": False,
            "max_lease_ttl": 2764800,
            "options": {"version": "2"},
        }

    served(scenario)


ENABLE: list[tuple[str, dict[str, Any], str]] = [
    ("mounts/x", {}, "backend type must be specified as a string"),
    ("mounts/x", {"type": ""}, "backend type must be specified as a string"),
    ("mounts/x", {"type": "plugin"}, "backend type must be specified as a string"),
    ("mounts/x", {"type": "KV"}, "plugin not found in the catalog: KV"),
    ("mounts/x", {"type": "token"}, "plugin not found in the catalog: token"),
    ("mounts/x", {"type": "system"}, 'mount type of "system" is not mountable'),
    ("mounts/x", {"type": "cubbyhole"}, 'mount type of "cubbyhole" is not mountable'),
    ("mounts/sys", {"type": "kv"}, 'cannot mount "sys/"'),
    ("mounts/auth/x", {"type": "kv"}, 'cannot mount "auth/x/"'),
    ("mounts/a//b", {"type": "kv"}, 'cannot mount "a//b/"'),
    ("mounts/secrets\u200e", {"type": "kv"}, "cannot mount"),
    ("mounts/cubbyhole/x", {"type": "kv"}, "path is already in use at cubbyhole/"),
    ("auth/x", {"type": "token"}, "token credential backend cannot be instantiated"),
    ("auth/x", {"type": "kv"}, "plugin not found in the catalog: kv"),
    ("auth/token/x", {"type": "approle"}, "path is already in use at token/"),
    ("mounts/x", {"type": "kv", "config": {"default_lease_ttl": SECRET}}, "unable to parse default TTL"),
    ("mounts/x", {"type": "kv", "config": {"max_lease_ttl": [SECRET]}}, "unable to parse max TTL"),
    ("mounts/x", {"type": "kv", "config": {"max_lease_ttl": -1}}, "unable to parse max TTL: a TTL cannot be negative"),
    (
        "mounts/x",
        {"type": "kv", "config": {"default_lease_ttl": 7200, "max_lease_ttl": "1h"}},
        "greater than given max",
    ),
    ("mounts/x", {"type": "kv", "config": {"default_lease_ttl": "9999h"}}, "greater than system max lease TTL"),
    ("mounts/x", {"type": "kv", "config": {"listing_visibility": SECRET}}, "invalid listing_visibility"),
    ("mounts/x", {"type": "kv", "config": {"listing_visibility": {}}}, "invalid listing_visibility"),
    ("mounts/x", {"type": "kv", "config": {"token_type": SECRET}}, "invalid value for 'token_type'"),
    ("mounts/x", {"type": "kv", "config": {"force_no_cache": SECRET}}, 'field "force_no_cache"'),
    ("mounts/x", {"type": "kv", "config": {"passthrough_request_headers": {SECRET: 1}}}, "passthrough_request_headers"),
    ("mounts/x", {"type": "kv", "config": {"plugin_version": SECRET}}, "no such version of the plugin"),
    ("mounts/x", {"type": "kv", "config": {"plugin_version": "v0.0.1"}}, "no such version of the plugin"),
    ("mounts/x", {"type": "kv", "config": SECRET}, 'field "config"'),
    ("mounts/x", {"type": "kv", "options": {"version": [SECRET]}}, 'field "options"'),
    ("mounts/x", {"type": "kv", "options": {"version": SECRET}}, ""),
    ("mounts/x", {"type": "kv", "options": {"version": "3"}}, ""),
]


@pytest.mark.parametrize(("path", "body", "text"), ENABLE)
def test_what_cannot_be_enabled_is_refused_and_leaves_nothing(path: str, body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        before = [key async for key, _ in server.storage.scan("core/mount/")]
        name, words = refused(await server.write(f"sys/{path}", **body))
        assert name == "BadRequest"
        assert text in words
        assert SECRET not in words
        assert [key async for key, _ in server.storage.scan("core/mount/")] == before

    served(scenario)


@pytest.mark.parametrize(
    ("type_", "options", "stored"),
    [
        ("kv", None, {}),
        ("kv", {}, {}),
        ("kv", {"version": 2}, {"version": "2"}),
        ("kv-v1", None, {"version": "1"}),
        ("kv-v2", None, {"version": "2"}),
        ("kv-v2", {"version": "1"}, {"version": "2"}),
    ],
)
def test_another_name_of_a_type_implies_its_options(type_: str, options: Any, stored: dict[str, str]) -> None:
    async def scenario(server: WholeServer) -> None:
        more = {} if options is None else {"options": options}
        ok(await server.write("sys/mounts/x", type=type_, **more))
        shown = data(await server.read("sys/mounts/x"))
        assert (shown["type"], shown["options"]) == ("kv", stored)

    served(scenario)


@pytest.mark.parametrize("path", ["sys", "cubbyhole", "identity"])
def test_the_servers_own_mounts_stay_where_they_are(path: str) -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.delete(f"sys/mounts/{path}"))[1] == f'cannot unmount "{path}/"'
        assert refused(await server.write(f"sys/mounts/{path}/tune"))[1] == f'cannot tune "{path}/"'
        moved = await server.post("sys/remount", {"from": path, "to": "elsewhere"})
        assert refused(moved)[1] == f'cannot remount "{path}/"'
        assert "cannot be disabled" in refused(await server.delete("sys/auth/token"))[1]
        for tune in ("sys/auth/token/tune", "sys/mounts/auth/token/tune"):
            ok(await server.write(tune, description="tuned"))

    served(scenario)


TUNE: list[tuple[dict[str, Any], str]] = [
    (
        {"default_lease_ttl": "99h"},
        "max lease TTL of 7200 would be less than backend default lease TTL of 356400",
    ),
    ({"max_lease_ttl": "30m"}, "max lease TTL of 1800 would be less than backend default lease TTL of 3600"),
    ({"max_lease_ttl": SECRET}, "invalid duration"),
    ({"max_lease_ttl": "-1h"}, "negative"),
    ({"listing_visibility": SECRET}, "invalid listing_visibility"),
    ({"token_type": SECRET}, "'token_type' can only be modified on auth mounts"),
    ({"token_type": "batch"}, "'token_type' can only be modified on auth mounts"),
    (
        {"user_lockout_config": {"lockout_threshold": 1}},
        'tuning of user lockout configuration for auth type "kv" not allowed',
    ),
    ({"plugin_version": SECRET}, "no such version of the plugin"),
    ({"plugin_version": "v0.0.1"}, "no such version of the plugin"),
    ({"options": {"version": {}}}, 'field "options"'),
    ({"options": {"version": SECRET}}, ""),
]


@pytest.mark.parametrize(("body", "text"), TUNE)
def test_what_cannot_be_tuned_is_refused_and_changes_nothing(body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        config = {"default_lease_ttl": "1h", "max_lease_ttl": "2h"}
        ok(await server.write("sys/mounts/x", type="kv", config=config))
        before = data(await server.read("sys/mounts/x/tune"))
        name, words = refused(await server.write("sys/mounts/x/tune", **body))
        assert name == "BadRequest"
        assert text in words
        assert SECRET not in words
        assert data(await server.read("sys/mounts/x/tune")) == before

    served(scenario)


def test_tuning_changes_what_it_names_and_unsets_what_is_empty() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/x", type="kv", description="first", config={"max_lease_ttl": "2h"}))
        ok(await server.write("sys/mounts/x/tune", default_lease_ttl="1h", allowed_response_headers=["A", "B"]))
        tuned = data(await server.read("sys/mounts/x/tune"))
        assert (tuned["default_lease_ttl"], tuned["max_lease_ttl"], tuned["description"]) == (3600, 7200, "first")
        assert tuned["allowed_response_headers"] == ["A", "B"]
        ttls = {"default_lease_ttl": "system", "max_lease_ttl": "system"}
        ok(await server.post("sys/mounts/x/tune", {**ttls, "allowed_response_headers": [], "description": ""}))
        assert data(await server.read("sys/mounts/x/tune")) == {
            "default_lease_ttl": 2764800,
            "description": "",
            "force_no_cache": False,
            "max_lease_ttl": 2764800,
        }
        ok(await server.write("sys/mounts/x/tune"))

    served(scenario)


def test_the_version_that_is_built_in_can_be_named() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/x", type="kv", config={"plugin_version": BUILTIN_VERSION}))
        ok(await server.write("sys/mounts/x/tune", plugin_version=BUILTIN_VERSION))
        ok(await server.write("sys/mounts/x/tune", plugin_version=""))

    served(scenario)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("login", {"token_type": SECRET}, "invalid value for 'token_type'"),
        ("token", {"token_type": "batch"}, "'token_type' cannot be set for 'token' or 'ns_token' auth mounts"),
        ("token", {"user_lockout_config": {"lockout_threshold": 1}}, 'for auth type "token" not allowed'),
        ("jwt", {"user_lockout_config": {"lockout_threshold": 1}}, 'for auth type "jwt" not allowed'),
    ],
)
def test_auth_methods_that_cannot_be_tuned_so(path: str, body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/auth/login", type="userpass"))
        ok(await server.write("sys/auth/jwt", type="jwt"))
        before = data(await server.read(f"sys/auth/{path}/tune"))
        name, words = refused(await server.write(f"sys/auth/{path}/tune", **body))
        assert (name, SECRET in words) == ("BadRequest", False)
        assert text in words
        assert data(await server.read(f"sys/auth/{path}/tune")) == before

    served(scenario)


def test_the_type_of_tokens_is_tuned_and_nothing_means_the_usual_one() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/auth/login", type="userpass", config={"token_type": "batch"}))
        for asked, shown in (("service", "service"), ("", "default-service"), ("default-batch", "default-batch")):
            ok(await server.write("sys/auth/login/tune", token_type=asked))
            assert data(await server.read("sys/auth/login/tune"))["token_type"] == shown

    served(scenario)


def test_a_tuning_of_lockouts_keeps_what_it_does_not_name() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/auth/login", type="userpass"))
        for asked, shown in (
            ({"lockout_threshold": "3", "lockout_duration": "10m"}, (3, 600, 0, False)),
            ({"lockout_counter_reset_duration": "5m"}, (3, 600, 300, False)),
            ({"lockout_threshold": 7, "lockout_disable": True}, (7, 600, 300, True)),
            ({}, (7, 600, 300, True)),
            ({"lockout_duration": 0, "lockout_disable": False}, (7, 0, 300, False)),
        ):
            ok(await server.write("sys/auth/login/tune", user_lockout_config=asked))
            tuned = data(await server.read("sys/auth/login/tune"))
            names = ("threshold", "duration", "counter_reset_duration", "disable")
            assert tuple(tuned[f"user_lockout_{name}"] for name in names) == shown

    served(scenario)


def test_a_missing_mount_is_named_in_the_words_of_its_half() -> None:
    async def scenario(server: WholeServer) -> None:
        for path, text in (
            ("sys/mounts/none", "No secret engine mount at none/"),
            ("sys/auth/none", "No auth engine at none/"),
            ("sys/mounts/none/tune", 'cannot fetch sysview for path "none/"'),
            ("sys/auth/none/tune", 'cannot fetch sysview for path "auth/none/"'),
        ):
            assert refused(await server.read(path)) == ("BadRequest", text)
        answer = await server.write("sys/auth/none/tune", description="x")
        assert refused(answer)[1] == 'tune of path "auth/none/" failed: no mount entry found'

    served(scenario)


def test_auth_methods_need_sudo_and_engines_do_not() -> None:
    async def scenario(server: WholeServer) -> None:
        plain = await limited(server, "create", "read", "update", "delete")
        ok(await server.write("sys/mounts/x", by=plain, type="kv"))
        ok(await server.read("sys/auth", by=plain))
        for answer in (
            await server.write("sys/auth/ci", by=plain, type="approle"),
            await server.delete("sys/auth/ci", by=plain),
            await server.read("sys/auth/token/tune", by=plain),
            await server.post("sys/remount", {"from": "x", "to": "y"}, by=plain),
        ):
            assert refused(answer)[0] == "PermissionDenied"
        ok(await server.read("sys/mounts/auth/token/tune", by=plain))

    served(scenario)


def test_lists_of_mounts_are_read_and_not_listed() -> None:
    async def scenario(server: WholeServer) -> None:
        for path in ("sys/mounts", "sys/auth"):
            assert refused(await server.list(path))[0] == "UnsupportedPath"
            assert refused(await server.write(path, type="kv"))[0] == "UnsupportedOperation"

    served(scenario)


def test_enabling_at_the_same_path_at_once_succeeds_once() -> None:
    async def scenario(server: WholeServer) -> None:
        answers = await asyncio.gather(*(server.write("sys/mounts/x", type="kv") for _ in range(6)))
        assert [type(a).__name__ for a in answers].count("Response") == 1
        assert len([m for m in server.live.mounts if m.path == "x/"]) == 1
        await server.restart()
        assert len([m for m in server.live.mounts if m.path == "x/"]) == 1

    served(scenario)


# -- Moving ------------------------------------------------------------------------------------------------------------


def test_a_moved_mount_keeps_its_data_its_accessor_and_its_settings() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/old", type="kv", description="d"))
        ok(await server.write("old/a", v="kept"))
        before = data(await server.read("sys/mounts/old"))
        answer = ok(await server.post("sys/remount", {"from": "old/", "to": "/new/place"}))
        move = data(answer)["migration_id"]
        status = data(await server.read(f"sys/remount/status/{move}"))
        assert status["migration_info"] == {"source_mount": "old/", "target_mount": "new/place/", "status": "success"}
        assert refused(await server.read("old/a"))[0] == "NoRoute"
        assert secret(await server.read("new/place/a")) == {"v": "kept"}
        assert data(await server.read("sys/mounts/new/place")) == before
        await server.restart()
        assert secret(await server.read("new/place/a")) == {"v": "kept"}
        assert refused(await server.read(f"sys/remount/status/{move}")) == ("NotFound", "")

    served(scenario)


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("", "b", "must be specified"),
        ("a", "", "must be specified"),
        ("/", "b", "must be specified"),
        ("none", "b", 'no matching mount at "none/"'),
        ("a", "sys/x", 'cannot remount "sys/x/"'),
        ("a", "audit/x", 'cannot remount "audit/x/"'),
        ("a", "sys", 'cannot remount "sys/"'),
        ("a", "identity", 'cannot remount "identity/"'),
        ("a", "auth/x", "cannot move a secret engine to an auth path"),
        ("auth/token", "b", "cannot move a secret engine to an auth path"),
        ("auth/token", "auth/b", 'cannot remount "auth/token/"'),
        ("a", "other", "path is already in use at other/"),
        ("a", "other/in", "path is already in use at other/"),
        ("a", "a/in", "path is already in use at a/"),
        ("a", "b/../c", 'cannot remount "b/../c/"'),
    ],
)
def test_a_move_that_cannot_be_is_refused_and_the_mount_serves_on(source: str, target: str, text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        for path in ("a", "other"):
            ok(await server.write(f"sys/mounts/{path}", type="kv"))
        ok(await server.write("a/x", v="1"))
        answer = await server.post("sys/remount", {"from": source, "to": target})
        assert refused(answer)[0] == "BadRequest"
        assert text in refused(answer)[1]
        assert secret(await server.read("a/x")) == {"v": "1"}

    served(scenario)


# -- What users see ----------------------------------------------------------------------------------------------------


def test_mounts_show_themselves_to_those_who_may_reach_them() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/shown", type="kv", config={"listing_visibility": "unauth"}))
        ok(await server.write("sys/mounts/mine", type="kv"))
        ok(await server.write("sys/mounts/theirs", type="kv"))
        public = data(await server.read("sys/internal/ui/mounts", by=""))
        assert public == {"auth": {}, "secret": {"shown/": {"description": "", "options": {}, "type": "kv"}}}
        token = await limited(server, "read", path="mine/*")
        seen = data(await server.read("sys/internal/ui/mounts", by=token))["secret"]
        assert sorted(seen) == ["mine/", "shown/"]
        assert all("accessor" in shown for shown in seen.values())
        assert refused(await server.read("sys/internal/ui/mounts", by="hvs.unknown"))[0] == "BadToken"

    served(scenario)


def test_the_preflight_does_not_tell_a_mount_that_is_there_from_one_that_is_not() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/theirs", type="kv"))
        token = await limited(server, "read", path="mine/*")
        there = refused(await server.read("sys/internal/ui/mounts/theirs/a/b", by=token))
        missing = refused(await server.read("sys/internal/ui/mounts/nobody/a/b", by=token))
        assert there[0] == missing[0] == "PermissionDenied"
        assert there[1].replace("theirs", "nobody") == missing[1]
        found = data(await server.read("sys/internal/ui/mounts/theirs/a/b"))
        assert found["path"] == "theirs/"
        for by, name in (("", "PermissionDenied"), ("hvs.unknown", "BadToken")):
            assert refused(await server.read("sys/internal/ui/mounts/theirs", by=by))[0] == name

    served(scenario)


def test_the_resulting_rules_are_those_of_all_policies() -> None:
    async def scenario(server: WholeServer) -> None:
        assert data(await server.read("sys/internal/ui/resultant-acl")) == {"root": True}
        text = 'path "sys/internal/ui/resultant-acl" { capabilities = ["read"] } path "a/*" { capabilities = ["list"] }'
        await server.policy("ui", text)
        token = await server.token(policies=["ui"], no_default_policy=True)
        assert data(await server.read("sys/internal/ui/resultant-acl", by=token)) == {
            "exact_paths": {"sys/internal/ui/resultant-acl": {"capabilities": ["read"]}},
            "glob_paths": {"a/": {"capabilities": ["list"]}},
            "root": False,
        }

    served(scenario)


def test_openapi_describes_what_the_caller_may_reach() -> None:
    async def scenario(server: WholeServer) -> None:
        whole: Any = ok(await server.read("sys/internal/specs/openapi")).bare
        assert "/sys/mounts/{path}" in whole["paths"]
        assert "/auth/token/create" in whole["paths"]
        token = await limited(server, "read", path="sys/internal/*")
        part: Any = ok(await server.read("sys/internal/specs/openapi", by=token)).bare
        assert {path.split("/")[1] for path in part["paths"]} == {"sys"}

    served(scenario)


WORDS = st.sampled_from(["kv", "1h", "2", "unauth"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**12) | st.text(max_size=6) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["version", "x"]), inner, max_size=2),
    max_leaves=4,
)
TUNABLE = ("default_lease_ttl", "max_lease_ttl", "listing_visibility", "token_type", "audit_non_hmac_request_keys")
CONFIG = st.dictionaries(st.sampled_from([*TUNABLE, "force_no_cache"]), JSON, max_size=3)
BODY = st.dictionaries(st.sampled_from([*TUNABLE, "type", "description", "config", "options", "local"]), JSON | CONFIG)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["", "/tune"]), BODY), max_size=6))
def test_whatever_is_sent_is_done_or_refused_as_the_clients_fault(requests: list[tuple[str, dict[str, Any]]]) -> None:
    async def scenario(server: WholeServer) -> None:
        for tail, body in requests:
            answer = await server.post(f"sys/mounts/x{tail}", {"type": "kv", **body})
            assert type(answer).__name__ in ("Response", "BadRequest"), (tail, body, answer)
        ok(await server.read("sys/mounts"))

    served(scenario)
