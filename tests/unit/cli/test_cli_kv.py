"""kv: which mount, which version, what is sent, what is printed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

VERSION = {"created_time": "2026-01-02T03:04:05.6Z", "custom_metadata": None, "deletion_time": "", "destroyed": False}
METADATA = """\
created_time       2026-01-02T03:04:05.6Z
custom_metadata    <nil>
deletion_time      n/a
destroyed          false
version            1
"""
BLOCKS = f"""\
=== Secret Path ===
secret/data/openai

======= Metadata =======
Key                Value
---                -----
{METADATA}"""


def answer(data: Any, version: int = 1, **metadata: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"data": {"data": data, "metadata": {**VERSION, "version": version, **metadata}}}


@pytest.fixture
def v2(server: FakeServer) -> FakeServer:
    server.kv("secret", "2", "secret/openai", "secret", "secret/app/db")
    return server


@pytest.fixture
def v1(server: FakeServer) -> FakeServer:
    server.kv("kv1", "1", "kv1/a")
    return server


def test_get_prints_path_metadata_and_data(vault: Vault, v2: FakeServer) -> None:
    v2.answers["GET /v1/secret/data/openai"] = answer({"organization": "org", "api_key": "sk", "empty": ""})
    assert vault("kv", "get", "/secret/openai").out == BLOCKS + (
        "\n======== Data ========\nKey             Value\n---             -----\n"
        "api_key         sk\nempty           n/a\norganization    org\n"
    )


def test_get_of_a_deleted_version_has_no_data(vault: Vault, v2: FakeServer) -> None:
    v2.answers["GET /v1/secret/data/openai"] = (404, answer(None)[1])
    assert vault("kv", "get", "secret/openai")[:2] == (0, BLOCKS + "\n")
    assert vault("kv", "get", "-format=json", "secret/openai").json["data"]["data"] is None
    assert vault("kv", "get", "-field=x", "secret/openai")[:] == (2, "", "No data found at secret/data/openai\n")


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (["-field=k"], (0, "v", "")),
        (["-field=m"], (0, "map[a:map[x:2]]", "")),
        (["-field=absent"], (1, "", 'Field "absent" not present in secret\n')),
        (["-field=version"], (1, "", 'Field "version" not present in secret\n')),
        (
            ["-field=data", "-format=json"],
            (0, '{\n  "k": "v",\n  "m": {\n    "a": {\n      "x": 2\n    }\n  }\n}\n', ""),
        ),
    ],
)
def test_get_field(vault: Vault, v2: FakeServer, words: list[str], result: tuple[int, str, str]) -> None:
    v2.answers["GET /v1/secret/data/openai"] = answer({"k": "v", "m": {"a": {"x": 2}}})
    assert vault("kv", "get", *words, "secret/openai")[:] == result


def test_a_key_named_data_is_found_as_a_field(vault: Vault, v2: FakeServer) -> None:
    v2.answers["GET /v1/secret/data/openai"] = answer({"data": "mine"})
    assert vault("kv", "get", "-field=data", "secret/openai").out == "mine"


@pytest.mark.parametrize(("words", "query"), [([], ""), (["-version=2"], "?version=2"), (["-version=0"], "")])
def test_get_version(vault: Vault, v2: FakeServer, words: list[str], query: str) -> None:
    result = vault("kv", "get", *words, "secret/openai")
    assert result[:] == (2, "", "No value found at secret/data/openai\n")
    assert v2.seen[1].target == "/v1/secret/data/openai" + query


def test_put_sends_data_and_prints_the_version(vault: Vault, v2: FakeServer) -> None:
    v2.answers["PUT /v1/secret/data/openai"] = (200, {"data": {**VERSION, "version": 1}})
    assert vault("kv", "put", "secret/openai", "api_key=sk").out == BLOCKS
    assert v2.seen[-1].json == {"data": {"api_key": "sk"}, "options": {}}
    assert vault("kv", "put", "-cas=0", "-field=version", "secret/openai", "a=b").out == "1"
    assert v2.seen[-1].json["options"] == {"cas": 0}


def test_a_preview_asks_for_the_mount_all_the_same(vault: Vault, v2: FakeServer) -> None:
    out = vault("kv", "put", "-output-policy", "secret/openai", "a=b").out
    assert out == 'path "secret/data/openai" {\n  capabilities = ["create", "update"]\n}\n'
    assert [seen.method for seen in v2.seen] == ["GET"]


def test_only_the_answer_is_wrapped(vault: Vault, v2: FakeServer) -> None:
    vault("kv", "get", "-wrap-ttl=60s", "secret/openai")
    assert ["X-Vault-Wrap-Ttl" in seen.headers for seen in v2.seen[:2]] == [False, True]


@pytest.mark.parametrize("form", [["-mount=secret", "app/db"], ["-mount=/secret/", "/app/db/"], ["secret/app/db"]])
def test_the_mount_can_be_named_apart(vault: Vault, v2: FakeServer, form: list[str]) -> None:
    vault("kv", "get", *form)
    assert v2.seen[1].target == "/v1/secret/data/app/db"


def test_with_mount_the_key_may_begin_like_it(vault: Vault, v2: FakeServer) -> None:
    vault("kv", "get", "-mount=secret", "secret/x")
    assert v2.seen[1].target == "/v1/secret/data/secret/x"


def test_no_right_to_the_mount_is_said_plainly(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/sys/internal/ui/mounts/nowhere/x"] = (403, {"errors": ["preflight capability check"]})
    result = vault("kv", "get", "nowhere/x")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error making API request.\n\nURL: GET ")


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (["secret"], "/v1/secret/metadata?list=true"),
        (["-mount=secret"], "/v1/secret/metadata?list=true"),
        (["-mount=secret", "app"], "/v1/secret/metadata/app?list=true"),
    ],
)
def test_list(vault: Vault, v2: FakeServer, words: list[str], target: str) -> None:
    v2.answers[f"GET {target}"] = (200, {"data": {"keys": ["a", "b/"]}})
    assert vault("kv", "list", *words).out == "Keys\n----\na\nb/\n"
    assert v2.seen[-1].target == target


def test_list_needs_a_path_or_a_mount(vault: Vault) -> None:
    assert vault("kv", "list").err == "Not enough arguments (expected 1, got 0)\n"


@pytest.mark.parametrize(
    ("words", "call", "message"),
    [
        (["delete"], "DELETE /v1/secret/data/openai", "Data deleted (if it existed) at: secret/data/openai"),
        (
            ["delete", "-versions=1,2"],
            "PUT /v1/secret/delete/openai",
            "Data deleted (if it existed) at: secret/data/openai",
        ),
        (
            ["undelete", "-versions=1", "-versions=2"],
            "PUT /v1/secret/undelete/openai",
            "Data written to: secret/undelete/openai",
        ),
        (["destroy", "-versions=1, 2"], "PUT /v1/secret/destroy/openai", "Data written to: secret/destroy/openai"),
        (
            ["metadata", "delete"],
            "DELETE /v1/secret/metadata/openai",
            "Data deleted (if it existed) at: secret/metadata/openai",
        ),
    ],
)
def test_versions_are_named_in_every_way(
    vault: Vault, v2: FakeServer, words: list[str], call: str, message: str
) -> None:
    v2.answers[call] = (204, None)
    assert vault("kv", *words, "secret/openai").out == f"Success! {message}\n"
    if call.startswith("PUT"):
        assert v2.seen[-1].json == {"versions": ["1", "2"]}


class TestPatch:
    def test_is_a_merge_patch(self, vault: Vault, v2: FakeServer) -> None:
        v2.answers["PATCH /v1/secret/data/openai"] = (200, {"data": {**VERSION, "version": 2}})
        assert vault("kv", "patch", "-cas=1", "-field=version", "secret/openai", "a=b").out == "2"
        assert v2.seen[-1].json == {"data": {"a": "b"}, "options": {"cas": 1}}

    def test_reads_and_writes_where_patch_is_not_allowed(self, vault: Vault, v2: FakeServer) -> None:
        v2.answers["PATCH /v1/secret/data/openai"] = (403, {"errors": ["permission denied"]})
        v2.answers["GET /v1/secret/data/openai"] = answer({"a": "1"}, version=4)
        v2.answers["PUT /v1/secret/data/openai"] = (200, {"data": {**VERSION, "version": 5}})
        result = vault("kv", "patch", "-field=version", "secret/openai", "b=2")
        assert (result.code, result.out) == (0, "5")
        assert 'recommend that you add the "patch" capability' in result.err
        assert v2.seen[-1].json == {"data": {"a": "1", "b": "2"}, "options": {"cas": 4}}

    def test_does_not_fall_back_when_told_not_to(self, vault: Vault, v2: FakeServer) -> None:
        v2.answers["PATCH /v1/secret/data/openai"] = (403, {"errors": ["permission denied"]})
        assert vault("kv", "patch", "-method=patch", "secret/openai", "b=2").code == 2
        assert v2.seen[-1].method == "PATCH"

    @pytest.mark.parametrize(
        ("status", "body", "message"),
        [
            (404, {"errors": []}, "No value found at secret/data/openai\n"),
            (404, answer(None)[1], "No data found at secret/data/openai; patch only works on existing data\n"),
        ],
    )
    def test_rw_needs_data_to_change(
        self, vault: Vault, v2: FakeServer, status: int, body: dict[str, Any], message: str
    ) -> None:
        v2.answers["GET /v1/secret/data/openai"] = (status, body)
        assert vault("kv", "patch", "-method=rw", "secret/openai", "b=2")[:] == (2, "", message)

    def test_an_unknown_method_is_refused(self, vault: Vault, v2: FakeServer) -> None:
        result = vault("kv", "patch", "-method=other", "secret/openai", "b=2")
        assert result[:] == (2, "", "Unsupported method provided to -method flag: other\n")


class TestRollback:
    def test_writes_the_old_data_if_nothing_came_between(self, vault: Vault, v2: FakeServer) -> None:
        v2.answers["GET /v1/secret/data/openai"] = answer({"n": "3"}, version=3)
        v2.answers["GET /v1/secret/data/openai?version=1"] = answer({"n": "1"}, version=1)
        v2.answers["PUT /v1/secret/data/openai"] = (200, {"data": {**VERSION, "version": 1}})
        out = vault("kv", "rollback", "-version=1", "secret/openai").out
        assert out == f"Key                Value\n---                -----\n{METADATA}"
        assert v2.seen[-1].json == {"data": {"n": "1"}, "options": {"cas": 3}}

    @pytest.mark.parametrize(
        ("metadata", "word"),
        [({"deletion_time": "2026-01-01T00:00:00Z"}, "deleted"), ({"destroyed": True}, "destroyed")],
    )
    def test_needs_data_to_go_back_to(self, vault: Vault, v2: FakeServer, metadata: dict[str, Any], word: str) -> None:
        v2.answers["GET /v1/secret/data/openai"] = answer({"n": "3"}, version=3)
        v2.answers["GET /v1/secret/data/openai?version=1"] = (404, answer(None, **metadata)[1])
        result = vault("kv", "rollback", "-version=1", "secret/openai")
        assert result[:] == (2, "", f"Cannot roll back to a version that has been {word}\n")


class TestMetadata:
    def test_get_prints_versions_in_order(self, vault: Vault, v2: FakeServer) -> None:
        version = {"created_time": "2026-01-02T03:04:05Z", "deletion_time": "", "destroyed": False}
        data = {"current_version": 10, "max_versions": 0, "versions": {"10": version, "9": version}}
        v2.answers["GET /v1/secret/metadata/openai"] = (200, {"data": data})
        out = vault("kv", "metadata", "get", "secret/openai").out
        block = (
            "Key              Value\n---              -----\ncreated_time     2026-01-02T03:04:05Z\n"
            "deletion_time    n/a\ndestroyed        false\n"
        )
        assert out == (
            "==== Metadata Path ====\nsecret/metadata/openai\n\n======= Metadata =======\n"
            "Key                Value\n---                -----\ncurrent_version    10\nmax_versions       0\n"
            f"\n====== Version 9 ======\n{block}\n===== Version 10 =====\n{block}"
        )

    @pytest.mark.parametrize(
        "words",
        [
            ["-max-versions=5", "-cas-required=false", "secret/openai"],
            ["secret/openai", "max-versions=5", "cas-required=false"],
            ["secret/openai", "max_versions=5", "cas_required=false", "-format=json"],
        ],
    )
    def test_put_takes_flags_and_words(self, vault: Vault, v2: FakeServer, words: list[str]) -> None:
        v2.answers["PUT /v1/secret/metadata/openai"] = (204, None)
        assert vault("kv", "metadata", "put", *words).code == 0
        assert v2.seen[-1].json == {"max_versions": 5, "cas_required": False}

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["secret/openai", "secret/other"], 'Too many arguments: "secret/other" is no setting.'),
            (["secret/openai", "max-versions=x"], 'invalid value "x" for max-versions: strconv.ParseInt'),
            (
                ["-custom-metadata=x", "secret/openai"],
                'invalid value "x" for flag -custom-metadata: missing = in KV pair',
            ),
        ],
    )
    def test_put_refuses_other_words(self, vault: Vault, server: FakeServer, words: list[str], message: str) -> None:
        result = vault("kv", "metadata", "put", *words)
        assert result.code == 1
        assert result.err.startswith(message)
        assert server.seen == []

    def test_all_settings(self, vault: Vault, v2: FakeServer) -> None:
        vault(
            *("kv", "metadata", "put", "-cas-required", "-delete-version-after=3h25m19s"),
            *("-custom-metadata=owner=ops", "-custom-metadata=tier=1", "secret/openai"),
        )
        assert v2.seen[-1].json == {
            "cas_required": True,
            "delete_version_after": "3h25m19s",
            "custom_metadata": {"owner": "ops", "tier": "1"},
        }

    def test_patch_removes_notes(self, vault: Vault, v2: FakeServer) -> None:
        v2.answers["PATCH /v1/secret/metadata/openai"] = (204, None)
        vault("kv", "metadata", "patch", "-custom-metadata=a=1", "-remove-custom-metadata=b", "secret/openai")
        assert v2.seen[-1].json == {"custom_metadata": {"a": "1", "b": None}}


class TestVersion1:
    def test_get(self, vault: Vault, v1: FakeServer) -> None:
        v1.answers["GET /v1/kv1/a"] = (200, {"lease_duration": 2764800, "data": {"foo": "bar"}})
        assert vault("kv", "get", "-version=3", "kv1/a").out == "=== Data ===\nKey    Value\n---    -----\nfoo    bar\n"
        assert vault("kv", "get", "-field=foo", "kv1/a").out == "bar"

    def test_put_and_delete(self, vault: Vault, v1: FakeServer) -> None:
        v1.answers |= {"PUT /v1/kv1/a": (204, None), "DELETE /v1/kv1/a": (204, None)}
        assert vault("kv", "put", "-cas=3", "kv1/a", "foo=bar").out == "Success! Data written to: kv1/a\n"
        assert v1.seen[-1].json == {"foo": "bar"}
        assert vault("kv", "put", "-format=json", "kv1/a", "foo=bar").out == ""
        assert vault("kv", "delete", "-versions=1", "kv1/a").out == "Success! Data deleted (if it existed) at: kv1/a\n"

    @pytest.mark.parametrize(
        ("line", "code", "message"),
        [
            ("patch kv1/a x=1", 2, "K/V engine mount must be version 2 for patch support"),
            ("rollback -version=1 kv1/a", 2, "K/V engine mount must be version 2 for rollback support"),
            ("undelete -versions=1 kv1/a", 1, "Undelete not supported on KV Version 1"),
            ("destroy -versions=1 kv1/a", 1, "Destroy not supported on KV Version 1"),
            ("metadata get kv1/a", 1, "Metadata not supported on KV Version 1"),
            ("metadata put kv1/a max-versions=1", 1, "Metadata not supported on KV Version 1"),
        ],
    )
    def test_has_no_versions(self, vault: Vault, v1: FakeServer, line: str, code: int, message: str) -> None:
        assert vault("kv", *line.split())[:] == (code, "", message + "\n")

    def test_enable_versioning(self, vault: Vault, server: FakeServer) -> None:
        server.answers["POST /v1/sys/mounts/old/tune"] = (200, {"warnings": None})
        out = vault("kv", "enable-versioning", "-format=json", "old/").out
        assert out == "Success! Tuned the secrets engine at: old/\n"
        assert server.seen[0].json == {"options": {"version": "2"}}
