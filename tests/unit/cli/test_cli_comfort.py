"""What goes beyond Vault: contexts, completion, moving, walking, comparing, exporting, running, explaining."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.cli_fakes import FakeServer, Result, Vault

from strongroom.cli import catalog, complete, complete_sources
from strongroom.cli.command import Command
from strongroom.cli.completion import SCRIPTS
from strongroom.cli.typed import read_line, written
from strongroom.client.contexts import Contexts
from strongroom.client.errors import AddressError


class TreeServer(FakeServer):
    """Lists what is in `folders`, page by page when `pages` is true; counts the names it sent at once."""

    def __init__(self, folders: dict[str, list[str]], pages: bool = True) -> None:
        super().__init__()
        self.folders, self.pages, self.most = folders, pages, 0

    def find(self, key: str) -> Any:
        parts = urlsplit(key.split(" ", 1)[1])
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if "list" not in query or not parts.path.startswith("/v1/secret/metadata"):
            return super().find(key)
        names = self.folders.get(parts.path.removeprefix("/v1/secret/metadata").strip("/"))
        if names is None:
            return super().find(key)
        if self.pages:
            names = [name for name in names if name > query.get("after", "")][: int(query.get("limit", "0")) or None]
        self.most = max(self.most, len(names))
        return (200, {"data": {"keys": names}}) if names else (404, {"errors": []})


FOLDERS = {"": ["app", "team/"], "team": ["a-db", "deep/", "z"], "team/deep": ["b-db"]}


@pytest.fixture
def server() -> Any:
    fake = TreeServer(FOLDERS)
    fake.kv("secret", "2", *("secret", "secret/a", "secret/ap", "secret/app", "secret/b", "secret/team", "secret/old"))
    yield fake
    fake.close()


def version(data: dict[str, Any], number: int = 1) -> tuple[int, Any]:
    return 200, {"data": {"data": data, "metadata": {"version": number}}}


# ------------------------------------------------------------------------------------------------ contexts
class TestContexts:
    @pytest.fixture
    def ctx(self, vault: Vault, server: FakeServer) -> Vault:
        """Without an address and a token in the environment."""

        def run(*words: str, **env: str) -> Result:
            return vault(*words, **{"VAULT_ADDR": "", "VAULT_TOKEN": "", **env})

        server.answers["GET /v1/auth/token/lookup-self"] = (200, {"data": {"id": "hvs.prod", "ttl": 1}})
        return run

    def test_a_context_gives_the_address_and_keeps_the_token(
        self, ctx: Vault, server: FakeServer, tmp_path: Path
    ) -> None:
        result = ctx("ctx", "set", f"-address={server.address}", "-namespace=ns1", "prod")
        assert result[:2] == (0, f"Success! Saved context: prod ({server.address}), which is in use now\n")
        assert ctx("login", "hvs.prod").code == 0
        assert not (tmp_path / ".vault-token").exists()
        server.answers["GET /v1/cubbyhole/a"] = (200, {"data": {"k": "v"}})
        assert ctx("read", "-field=k", "cubbyhole/a").out == "v"
        assert server.seen[-1].headers["X-Vault-Token"] == "hvs.prod"
        assert server.seen[-1].headers["X-Vault-Namespace"] == "ns1/"
        assert ctx("print", "token").out == "hvs.prod\n"

    def test_the_file_is_for_its_owner_alone(self, ctx: Vault, server: FakeServer, tmp_path: Path) -> None:
        ctx("ctx", "set", f"-address={server.address}", "-with-token", "prod", VAULT_TOKEN="hvs.t")
        file = tmp_path / ".config" / "strongroom" / "contexts.json"
        assert json.loads(file.read_text())["contexts"]["prod"]["token"] == "hvs.t"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    @pytest.mark.parametrize("form", [{"flag": True}, {"flag": False}])
    def test_its_token_goes_to_its_own_address_only(
        self, ctx: Vault, server: FakeServer, form: dict[str, bool]
    ) -> None:
        ctx("ctx", "set", "-address=http://127.0.0.1:1", "-with-token", "prod", VAULT_TOKEN="hvs.t")
        flag, env = ([f"-address={server.address}"], {}) if form["flag"] else ([], {"VAULT_ADDR": server.address})
        ctx("read", *flag, "cubbyhole/a", **env)
        assert "X-Vault-Token" not in server.seen[-1].headers

    def test_a_new_address_forgets_the_token(self, ctx: Vault) -> None:
        ctx("ctx", "set", "-address=http://127.0.0.1:1", "-with-token", "prod", VAULT_TOKEN="hvs.t")
        ctx("ctx", "set", "-namespace=a", "prod")
        assert ctx("print", "token").out == "hvs.t\n"
        ctx("ctx", "set", "-address=http://127.0.0.1:2", "prod")
        assert ctx("print", "token").out == "\n"

    def test_they_are_listed_chosen_and_forgotten(self, ctx: Vault) -> None:
        assert ctx("ctx", "list").code == 2
        for name, port in (("prod", 1), ("dev", 2)):
            ctx("ctx", "set", f"-address=http://127.0.0.1:{port}", name)
        assert ctx("ctx", "list").out.splitlines()[2:] == [
            "dev     http://127.0.0.1:2    -            no       -",
            "prod    http://127.0.0.1:1    -            no       *",
        ]
        assert ctx("ctx", "use", "dev").code == 0
        assert {name for name, one in ctx("ctx", "list", "-format=json").json.items() if one["current"]} == {"dev"}
        assert "2/v1/sys" in ctx("status").err
        assert "1/v1/sys" in ctx("status", STRONGROOM_CONTEXT="prod").err
        assert '(from context "dev")' in ctx("status").err
        ctx("ctx", "none")
        assert "8200" in ctx("status").err
        ctx("ctx", "use", "dev")
        ctx("ctx", "delete", "dev")
        assert set(ctx("ctx", "list", "-format=json").json) == {"prod"}
        assert "8200" in ctx("status").err

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["use", "prdo"], 'There is no context "prdo" (prod)\n\nDid you mean prod?\n'),
            (["set", "x"], "A context needs -address\n"),
            (["set", "-address=ftp://x", "x"], "unsupported protocol scheme"),
            (["set", "-address=http://x", "a/b"], "A context's name is made of letters"),
            (["set", "-address=http://x", "-x"], "A context's name is made of letters"),
        ],
    )
    def test_what_cannot_be_is_refused(self, ctx: Vault, words: list[str], message: str) -> None:
        ctx("ctx", "set", "-address=http://127.0.0.1:1", "prod")
        words = [*words[:-1], "--", words[-1]] if words[-1].startswith("-") else words
        result = ctx("ctx", *words)
        assert result.code == 1
        assert message in result.err

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "[]",
            "{}",
            '{"v":2,"contexts":{}}',
            '{"v":1,"contexts":{"a":[]}}',
            '{"v":1,"contexts":{"a":{"token":1}}}',
        ],
    )
    def test_a_damaged_file_is_named_and_left_alone(self, ctx: Vault, tmp_path: Path, content: str) -> None:
        file = tmp_path / ".config" / "strongroom" / "contexts.json"
        file.parent.mkdir(parents=True)
        file.write_text(content)
        for words in (["status"], ["ctx", "list"], ["ctx", "set", "-address=http://x", "a"]):
            result = ctx(*words)
            assert result.code in (1, 2)
            assert str(file) in result.err
        assert file.read_text() == content

    def test_an_unknown_one_is_no_reason_to_go_elsewhere(self, ctx: Vault) -> None:
        result = ctx("status", STRONGROOM_CONTEXT="prod")
        assert (result.code, "there is no context" in result.err) == (1, True)

    @given(st.binary(max_size=200))
    def test_any_file_is_read_or_refused(self, tmp_path_factory: Any, content: bytes) -> None:
        home = tmp_path_factory.mktemp("home")
        file = home / "strongroom" / "contexts.json"
        file.parent.mkdir()
        file.write_bytes(content)
        with pytest.raises(AddressError):
            Contexts.load({"XDG_CONFIG_HOME": str(home)}).get("")


# ------------------------------------------------------------------------------------------------ walking
class TestWalking:
    def test_find_names_every_secret(self, vault: Vault) -> None:
        assert vault("kv", "find", "secret").out.split() == [
            "secret/app",
            "secret/team/a-db",
            "secret/team/deep/b-db",
            "secret/team/z",
        ]

    def test_find_by_name(self, vault: Vault) -> None:
        result = vault("kv", "find", "-name=*-db", "-format=json", "secret/team")
        assert result.json == ["secret/team/a-db", "secret/team/deep/b-db"]

    def test_tree(self, vault: Vault) -> None:
        assert vault("kv", "tree", "secret").out == (
            "secret/\n├── app\n└── team/\n    ├── a-db\n    ├── deep/\n    │   └── b-db\n    └── z\n"
        )
        assert vault("kv", "tree", "-depth=1", "secret").out == "secret/\n├── app\n└── team/\n"

    def test_tree_for_programs(self, vault: Vault) -> None:
        whole = {"app": None, "team/": {"a-db": None, "deep/": {"b-db": None}, "z": None}}
        assert vault("kv", "tree", "-format=json", "secret").json == whole

    @pytest.mark.parametrize("pages", [True, False])
    @pytest.mark.parametrize("count", [999, 1000, 1001, 2500])
    def test_any_number_of_names_comes_once_and_in_pages(
        self, vault: Vault, server: TreeServer, count: int, pages: bool
    ) -> None:
        names = [f"key-{number:06}" for number in range(count)]
        server.folders, server.pages = {"": names}, pages
        assert vault("kv", "find", "secret").out.split() == [f"secret/{name}" for name in names]
        assert server.most <= 1000 or not pages

    def test_a_folder_that_may_not_be_listed_is_named_and_the_rest_shown(
        self, vault: Vault, server: TreeServer
    ) -> None:
        server.folders = {name: names for name, names in FOLDERS.items() if name != "team/deep"}
        server.answers["GET /v1/secret/metadata/team/deep?limit=1000&list=true"] = (403, {"errors": ["no"]})
        result = vault("kv", "find", "secret")
        assert (result.code, result.err) == (2, "May not list secret/metadata/team/deep\n")
        assert "secret/team/z" in result.out

    @pytest.mark.parametrize("verb", ["find", "tree"])
    def test_nothing_is_said_plainly(self, vault: Vault, server: TreeServer, verb: str) -> None:
        server.folders = {}
        assert vault("kv", verb, "secret")[:] == (2, "", "No value found at secret/metadata\n")


# ------------------------------------------------------------------------------------------------ moving, comparing
class TestTransfer:
    @pytest.mark.parametrize(("word", "verb", "done"), [("mv", "move", "Moved"), ("cp", "copy", "Copied")])
    @pytest.mark.parametrize(("to", "name"), [("secret/b", "b"), ("secret/", "a"), ("secret/old/", "old/a")])
    def test_the_server_does_it(
        self, vault: Vault, server: FakeServer, word: str, verb: str, done: str, to: str, name: str
    ) -> None:
        server.answers[f"POST /v1/secret/{verb}/a"] = (200, {"data": {"path": name}})
        result = vault("kv", word, "secret/a", to)
        assert result[:] == (0, f"Success! {done} secret/a to secret/{name}\n", "")
        assert server.seen[-1].json == {"to": name}
        assert not any("/data/" in seen.target for seen in server.seen)

    def test_what_it_takes_is_said(self, vault: Vault, server: FakeServer) -> None:
        server.answers["POST /v1/secret/move/a"] = (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
        result = vault("kv", "mv", "secret/a", "secret/b")
        assert result.code == 2
        assert 'path "secret/metadata/a" { capabilities = ["read", "delete"] }' in result.err

    def test_a_secret_stays_in_its_mount(self, vault: Vault, server: FakeServer) -> None:
        server.kv("kv", "2", "kv/b")
        result = vault("kv", "mv", "secret/a", "kv/b")
        assert (result.code, "different mounts" in result.err) == (1, True)

    def test_only_version_2_can(self, vault: Vault, server: FakeServer) -> None:
        server.kv("one", "1", "one/a")
        assert vault("kv", "cp", "one/a", "one/b").code == 1


class TestDiff:
    @pytest.fixture(autouse=True)
    def versions(self, server: FakeServer) -> None:
        old, new = {"gone": "x", "same": 1, "pin": "old"}, {"same": 1, "pin": "new", "more": [1]}
        server.answers["GET /v1/secret/data/app"] = version(new, 3)
        server.answers["GET /v1/secret/data/app?version=2"] = version(old, 2)
        server.answers["GET /v1/secret/data/app?version=3"] = version(new, 3)
        server.answers["GET /v1/secret/data/app?version=1"] = (
            404,
            {"data": {"data": None, "metadata": {"version": 1}}},
        )

    def test_the_last_two_without_a_value(self, vault: Vault) -> None:
        assert vault("kv", "diff", "secret/app").out == (
            "--- secret/data/app version 2\n+++ secret/data/app version 3\n- gone\n~ pin\n+ more\n"
        )

    def test_values_when_asked_for(self, vault: Vault) -> None:
        out = vault("kv", "diff", "-values", "-version=3", "-version=2", "secret/app").out
        assert out.splitlines()[2:] == ['+ gone = "x"', "- more = [1]", '- pin = "new"', '+ pin = "old"']

    def test_for_programs(self, vault: Vault) -> None:
        shown = {"added": ["more"], "changed": ["pin"], "removed": ["gone"], "versions": [2, 3]}
        assert vault("kv", "diff", "-format=json", "-version=2,3", "secret/app").json == shown

    def test_the_same_is_said(self, vault: Vault) -> None:
        assert vault("kv", "diff", "-version=3,3", "secret/app").out == "Versions 3 and 3 do not differ\n"

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["-version=1"], 1, "Give two versions"),
            (["-version=a,b"], 1, "A version is a number"),
            (["-version=2,9"], 2, "No version 9 at secret/data/app"),
            (["-version=1,2"], 2, "Version 1 of secret/data/app is deleted or destroyed"),
        ],
    )
    def test_what_cannot_be_compared(self, vault: Vault, words: list[str], code: int, message: str) -> None:
        result = vault("kv", "diff", *words, "secret/app")
        assert (result.code, message in result.err) == (code, True)


class TestDroppedKeys:
    def test_a_put_names_the_keys_that_it_dropped(self, vault: Vault, server: FakeServer) -> None:
        server.answers["PUT /v1/secret/data/app"] = (200, {"data": {"version": 4}})
        server.answers["GET /v1/secret/subkeys/app?depth=1&version=3"] = (
            200,
            {"data": {"subkeys": {"a": None, "b": None, "c": None}}},
        )
        result = vault("kv", "put", "secret/app", "b=1")
        assert (result.code, "these keys of version 3: a, c\n" in result.err) == (0, True)
        assert "rollback -version=3 secret/app" in result.err

    @pytest.mark.parametrize("status", [403, 404, 500])
    def test_it_does_not_matter_whether_that_can_be_told(self, vault: Vault, server: FakeServer, status: int) -> None:
        server.answers["PUT /v1/secret/data/app"] = (200, {"data": {"version": 4}})
        server.answers["GET /v1/secret/subkeys/app?depth=1&version=3"] = (status, {"errors": ["no"]})
        result = vault("kv", "put", "secret/app", "b=1")
        assert (result.code, result.err) == (0, "")

    @pytest.mark.parametrize(("words", "number"), [(["-format=json"], 4), (["-field=version"], 4), ([], 1)])
    def test_programs_and_first_versions_cost_no_request(
        self, vault: Vault, server: FakeServer, words: list[str], number: int
    ) -> None:
        server.answers["PUT /v1/secret/data/app"] = (200, {"data": {"version": number}})
        vault("kv", "put", *words, "secret/app", "b=1")
        assert not [seen for seen in server.seen if "subkeys" in seen.target] or words == ["-field=version"]


class TestFlagsOfVault:
    def test_a_patch_can_remove_keys(self, vault: Vault, server: FakeServer) -> None:
        server.answers["PATCH /v1/secret/data/app"] = (200, {"data": {"version": 2}})
        assert vault("kv", "patch", "-remove-data=a,b", "-remove-data=c", "secret/app", "d=1").code == 0
        assert server.seen[-1].json["data"] == {"d": "1", "a": None, "b": None, "c": None}

    def test_also_where_it_reads_and_writes(self, vault: Vault, server: FakeServer) -> None:
        server.answers["GET /v1/secret/data/app"] = version({"a": 1, "b": 2})
        server.answers["PUT /v1/secret/data/app"] = (200, {"data": {"version": 2}})
        assert vault("kv", "patch", "-method=rw", "-remove-data=a", "secret/app").code == 0
        assert server.seen[-1].json["data"] == {"b": 2}

    def test_lockouts_are_tuned(self, vault: Vault, server: FakeServer) -> None:
        server.answers["POST /v1/sys/mounts/auth/userpass/tune"] = (204, None)
        words = ("-user-lockout-threshold=3", "-user-lockout-duration=5m", "-user-lockout-disable=false")
        assert vault("auth", "tune", *words, "userpass").code == 0
        assert server.seen[-1].json == {
            "user_lockout_config": {"lockout_threshold": "3", "lockout_duration": "5m0s", "lockout_disable": False}
        }

    @pytest.mark.parametrize(("target", "path"), [("barrier", "rekey"), ("recovery", "rekey-recovery-key")])
    def test_rekey_of_either_kind_of_key(self, vault: Vault, server: FakeServer, target: str, path: str) -> None:
        vault("operator", "rekey", "-status", f"-target={target}")
        assert server.seen[-1].target == f"/v1/sys/{path}/init"

    def test_rekey_of_another_kind(self, vault: Vault) -> None:
        assert vault("operator", "rekey", "-status", "-target=x")[:] == (1, "", "Unknown target: x\n")


class TestNames:
    def test_a_similar_secret_is_named(self, vault: Vault) -> None:
        result = vault("kv", "get", "secret/ap")
        assert result.err == "No value found at secret/data/ap\n\nDid you mean secret/app?\n"

    def test_a_folder_is_called_one(self, vault: Vault) -> None:
        assert 'It is a folder. "vault kv list secret/team"' in vault("kv", "get", "secret/team").err

    @pytest.mark.parametrize(
        ("mounts", "hint"),
        [
            ({"secret": {"secret/": {}, "team/kv/": {}}}, "Did you mean secret/?"),
            ({"secret": {"other/": {}}}, 'or none that the token may reach. See "vault secrets list".'),
        ],
    )
    def test_a_similar_mount_is_named(self, vault: Vault, server: FakeServer, mounts: Any, hint: str) -> None:
        server.answers["GET /v1/sys/internal/ui/mounts"] = (200, {"data": mounts})
        server.answers["GET /v1/sys/internal/ui/mounts/secert/app"] = (403, {"errors": ["preflight check"]})
        assert vault("kv", "get", "secert/app").err.endswith(f"{hint}\n")
        server.answers["PUT /v1/secert/app"] = (404, {"errors": ['no handler for route "secert/app".']})
        assert vault("write", "secert/app", "a=b").err.endswith(f"{hint}\n")

    def test_of_a_mount_that_is_there_nothing_is_said(self, vault: Vault, server: FakeServer) -> None:
        server.answers["GET /v1/sys/internal/ui/mounts"] = (200, {"data": {"secret": {"secret/": {}}}})
        server.answers["PUT /v1/secret/app"] = (404, {"errors": ["no handler for route"]})
        assert "mount" not in vault("write", "secret/app", "a=b").err

    def test_a_similar_flag_is_named(self, vault: Vault) -> None:
        result = vault("kv", "get", "-fromat=json", "secret/app")
        assert result[:] == (1, "", "flag provided but not defined: -fromat\n\nDid you mean -format?\n")

    def test_what_policies_lack_is_named(self, vault: Vault, server: FakeServer) -> None:
        server.answers["GET /v1/secret/data/app"] = (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
        assert 'No policy of the token allows "read" on "secret/data/app".' in vault("kv", "get", "secret/app").err


# ------------------------------------------------------------------------------------------------ files, programs
class TestFiles:
    def test_a_secret_as_env_json_and_yaml(self, vault: Vault, server: FakeServer) -> None:
        server.answers["GET /v1/secret/data/app"] = version({"USER": "ann b", "PORT": 5432, "ON": True})
        assert vault("kv", "export", "secret/app").out == "ON=true\nPORT=5432\nUSER='ann b'\n"
        assert vault("kv", "export", "-format=json", "secret/app").json == {"USER": "ann b", "PORT": 5432, "ON": True}
        assert vault("kv", "export", "-format=yaml", "secret/app").out == '"ON": true\nPORT: 5432\nUSER: ann b\n'

    def test_all_below_a_path(self, vault: Vault, server: TreeServer) -> None:
        for name in ("team/a-db", "team/deep/b-db"):
            server.answers[f"GET /v1/secret/data/{name}"] = version({"n": name})
        server.answers["GET /v1/secret/data/team/z"] = (404, {"data": {"data": None, "metadata": {"version": 1}}})
        out = vault("kv", "export", "-recursive", "-format=json", "secret/team").json
        assert out == {"a-db": {"n": "team/a-db"}, "deep/b-db": {"n": "team/deep/b-db"}}

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            (".env", "USER=ann\nPORT='5432'\n"),
            ("x.json", '{"USER": "ann", "PORT": "5432"}'),
            ("x.yaml", "USER: ann\nPORT: '5432'\n"),
            ("x.yml", "USER: ann\nPORT: '5432'\n"),
        ],
    )
    def test_a_file_becomes_a_secret(
        self, vault: Vault, server: FakeServer, tmp_path: Path, name: str, content: str
    ) -> None:
        file = tmp_path / name
        file.write_text(content)
        server.answers["PUT /v1/secret/data/app"] = (200, {"data": {"version": 1}})
        result = vault("kv", "import", "-cas=3", "secret/app", str(file))
        assert result[:2] == (0, "Success! Data written to: secret/data/app\n")
        assert server.seen[-1].json == {"data": {"USER": "ann", "PORT": "5432"}, "options": {"cas": 3}}

    def test_several_secrets_from_stdin(self, vault: Vault, server: FakeServer) -> None:
        for name in ("a", "b/c"):
            server.answers[f"PUT /v1/secret/data/team/{name}"] = (200, {"data": {"version": 1}})
        text = json.dumps({"a": {"k": 1}, "/b/c/": {"k": 2}})
        result = vault("kv", "import", "-recursive", "-new", "-as=json", "secret/team", "-", stdin=text)
        assert result.code == 0
        assert [(seen.target, seen.json["options"]) for seen in server.seen if seen.method == "PUT"] == [
            ("/v1/secret/data/team/a", {"cas": 0}),
            ("/v1/secret/data/team/b/c", {"cas": 0}),
        ]

    @pytest.mark.parametrize(
        ("words", "stdin", "message"),
        [
            (["secret/app", "-"], "x", 'Cannot tell what "-" holds'),
            (["-as=env", "secret/app", "-"], "hvs.secret", "Error reading stdin: line 1: expected NAME=value"),
            (["-as=json", "secret/app", "-"], "{hvs.secret", "Error reading stdin: not JSON at line 1"),
            (["-as=yaml", "secret/app", "-"], "- hvs.secret", "it must hold names with values"),
            (["-as=json", "-recursive", "secret/team", "-"], '{"a": "hvs.secret"}', "must hold an object for each"),
            (["-as=env", "secret/app", "none.env"], "", "open none.env: no such file or directory"),
            (["-as=env", "secret/app", "-"], b"\xff", "not UTF-8"),
        ],
    )
    def test_what_is_no_secret_is_refused_before_anything_is_written(
        self, vault: Vault, server: FakeServer, words: list[str], stdin: Any, message: str
    ) -> None:
        result = vault("kv", "import", *words, stdin=stdin)
        assert (result.code, message in result.err) == (1, True)
        assert "secret\n" not in result.err
        assert not [seen for seen in server.seen if seen.method == "PUT"]

    @pytest.mark.parametrize("data", [{"a-b": "x"}, {"A": "a\0"}])
    def test_what_no_env_file_can_hold(self, vault: Vault, server: FakeServer, data: dict[str, str]) -> None:
        server.answers["GET /v1/secret/data/app"] = version(data)
        result = vault("kv", "export", "secret/app")
        assert (result.code, result.out, "-format=json takes any" in result.err) == (1, "", True)


def launch(server: FakeServer, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "VAULT_ADDR": server.address, "VAULT_TOKEN": "t"}
    command = [sys.executable, "-m", "strongroom.cli.main", "run", *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60, cwd=home)


class TestRun:
    def test_a_program_gets_the_keys_as_variables(self, server: FakeServer, tmp_path: Path) -> None:
        server.answers["GET /v1/secret/data/app"] = version({"db-user": "ann", "port": 5432})
        server.answers["GET /v1/secret/data/b"] = version({"port": 1})
        done = launch(
            *(server, tmp_path, "-upper", "-prefix=X_", "-secret=secret/app", "-secret=secret/b", "--"),
            *("sh", "-c", 'echo "$X_DB_USER $X_PORT $1"; exit 7', "-", "-format=json"),
        )
        assert (done.returncode, done.stdout, done.stderr) == (7, "ann 1 -format=json\n", "")
        assert [path.name for path in tmp_path.iterdir()] == []

    @pytest.mark.parametrize(
        ("data", "words", "code", "message"),
        [
            ({"LD_PRELOAD": "x"}, ["true"], 1, "would change which program runs"),
            ({"PATH": "x"}, ["true"], 1, "would change which program runs"),
            ({"a b": "x"}, ["true"], 1, "cannot be the name of a variable"),
            ({"A": "a\0"}, ["true"], 1, "NUL"),
            ({"A": "x"}, ["no-such-program-here"], 127, "no such program"),
            ({"A": "x"}, ["/"], 126, "permission denied"),
            ({"A": "x"}, [], 1, "Not enough arguments (expected a program after --, got 0)"),
        ],
    )
    def test_what_cannot_run(
        self, server: FakeServer, tmp_path: Path, data: Any, words: list[str], code: int, message: str
    ) -> None:
        server.answers["GET /v1/secret/data/app"] = version(data)
        done = launch(server, tmp_path, "-secret=secret/app", "--", *words)
        assert (done.returncode, done.stdout, message in done.stderr) == (code, "", True)
        assert "Traceback" not in done.stderr

    def test_without_the_secret_nothing_runs(self, server: FakeServer, tmp_path: Path) -> None:
        done = launch(server, tmp_path, "-secret=secret/app", "--", "echo", "ran")
        assert (done.returncode, done.stdout) == (2, "")
        assert launch(server, tmp_path, "--", "echo", "ran").returncode == 1


# ------------------------------------------------------------------------------------------------ explain
class TestExplain:
    ANSWER: ClassVar[dict[str, Any]] = {
        "allowed": False,
        "accessor": "acc",
        "display_name": "token-app",
        "path": "secret/data/app",
        "policies": ["default", "app"],
        "reason": "why",
        "rule": "secret/data/*",
        "sources": [{"policy": "app", "line": 3}],
    }

    def test_the_line_that_decides_is_shown(self, vault: Vault, server: FakeServer) -> None:
        server.answers["POST /v1/sys/internal/explain"] = (200, {"data": self.ANSWER})
        result = vault("policy", "explain", "-token=-", "secret/data/app", "update", stdin="hvs.x\n")
        assert result.code == 2
        assert result.out == (
            "✗ denied: update secret/data/app\n\n"
            "Reason        why\n"
            'Rule          path "secret/data/*"\n'
            "Written in    policy app, line 3\n"
            "Policies      default, app\n"
            "Token         token-app (accessor acc)\n"
        )
        assert server.seen[-1].json == {"path": "secret/data/app", "operation": "update", "token": "hvs.x"}

    def test_allowed_is_exit_code_0(self, vault: Vault, server: FakeServer) -> None:
        server.answers["POST /v1/sys/internal/explain"] = (200, {"data": {**self.ANSWER, "allowed": True}})
        result = vault("policy", "explain", "secret/data/app")
        assert (result.code, result.out.splitlines()[0]) == (0, "✓ allowed: read secret/data/app")
        assert vault("policy", "explain", "-format=json", "a").json["data"]["allowed"]

    def test_there_are_only_so_many_capabilities(self, vault: Vault) -> None:
        assert vault("policy", "explain", "a", "fly").code == 1


# ------------------------------------------------------------------------------------------------ completion
MOUNTS = {
    "secret": {
        "secret/": {"type": "kv", "options": {"version": "2"}},
        "one/": {"type": "kv", "options": None},
        "transit/": {"type": "transit"},
    },
    "auth": {"token/": {"type": "token"}},
}


class TestCompletion:
    @pytest.fixture(autouse=True)
    def mounts(self, server: FakeServer) -> None:
        server.answers["GET /v1/sys/internal/ui/mounts"] = (200, {"data": MOUNTS})
        server.answers["GET /v1/one/x?limit=1000&list=true"] = (
            200,
            {"data": {"keys": ["a", "$(rm)", "b c", "d/", "e\x1b"]}},
        )
        server.answers["GET /v1/sys/policies/acl?limit=1000&list=true"] = (200, {"data": {"keys": ["app", "root"]}})

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (["st"], ["status"]),
            (["__"], []),
            (["kv", "e"], ["enable-versioning", "export"]),
            (["kv", "metadata", "p"], ["patch", "put"]),
            (["kv", "nothing", ""], []),
            (["status", "-fo"], ["-format="]),
            (["status", "--fo"], ["--format="]),
            (["status", "-format=j"], ["-format=json"]),
            (["status", "-format", "j"], ["json"]),
            (["status", "-non"], ["-non-interactive"]),
            (["kv", "get", ""], ["one/", "secret/"]),
            (["kv", "get", "-field", "x", "secret/t"], ["secret/team/"]),
            (["kv", "get", "secret/team/"], ["secret/team/a-db", "secret/team/deep/", "secret/team/z"]),
            (["kv", "get", "one/x/"], ["one/x/\\$\\(rm\\)", "one/x/a", "one/x/b\\ c", "one/x/d/"]),
            (["kv", "get", "secret/app", ""], []),
            (["kv", "mv", "secret/app", "secret/t"], ["secret/team/"]),
            (["kv", "get", "-mount="], ["-mount=one/", "-mount=secret/"]),
            (["read", "s"], ["secret/", "sys/"]),
            (["read", "secret/m"], ["secret/metadata/"]),
            (["read", "secret/data/a"], ["secret/data/app"]),
            (["read", "auth/"], ["auth/", "auth/token/"]),
            (["secrets", "disable", "t"], ["transit/"]),
            (["auth", "disable", ""], ["token/"]),
            (["policy", "read", ""], ["app", "root"]),
            (["token", "create", "-policy="], ["-policy=app", "-policy=root"]),
            (["completion", ""], ["bash", "fish", "zsh"]),
            (["run", "-secret=secret/t"], ["-secret=secret/team/"]),
            (["run", "-secret", "secret/t"], ["secret/team/"]),
            (["run", "-secret=secret/app", "--", "prog"], ["program"]),
            (["run", "--", "program", "fol"], ["folder/"]),
            (["policy", "write", "p", "fol"], ["folder/"]),
            (["policy", "write", "p", "./fol"], ["./folder/"]),
            (["policy", "write", "p", "folder/"], ["folder/a.hcl"]),
            (["policy", "write", "p", "folder/."], ["folder/.b"]),
            (["write", "a/b", "k=@fol"], ["k=@folder/"]),
            (["write", "a/b", "@fol"], ["@folder/"]),
            (["write", "a/b", "fol"], []),
            (["write", "a/b", "k@fol"], []),
            (["server", "-config=fol"], ["-config=folder/"]),
            (["server", "-config", "none/"], []),
            (["login", "-method=user"], ["-method=userpass"]),
            (["read", "-format=r"], ["-format=raw"]),
            (["audit", "enable", "s"], ["socket", "syslog"]),
            (["status", "-tls-skip-verify=f"], ["-tls-skip-verify=false"]),
            (["status", "-non=x", ""], []),
            ([], []),
        ],
    )
    def test_candidates(
        self, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], found: list[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder").mkdir()
        for name in ("a.hcl", ".b"):
            (tmp_path / "folder" / name).touch()
        (tmp_path / "program").touch(0o755)
        (tmp_path / "program-text").touch(0o644)
        monkeypatch.setenv("PATH", f"{tmp_path}:{tmp_path / 'none'}")
        result = vault("__complete", "-shell=bash", "--", shlex.join(["vault", *words]))
        assert (result.code, result.err) == (0, "")
        assert result.out.split("\n")[:-1] == found or (not words and "status" in result.out)

    def test_without_a_server_there_are_none_and_no_word(self, vault: Vault) -> None:
        assert vault("__complete", "--", "vault kv get ", VAULT_ADDR="http://127.0.0.1:1")[:] == (0, "", "")
        assert vault("__complete", "--", "vault kv get ", VAULT_ADDR="ftp:")[:] == (0, "", "")

    def test_descriptions_stand_behind_a_tab_where_a_shell_shows_them(self, vault: Vault) -> None:
        assert vault("__complete", "-shell=zsh", "--", "vault kv li").out == "list\tList the keys below a path\n"
        assert vault("__complete", "-shell=fish", "--", "vault kv get one/x/").out == (
            "one/x/$(rm)\none/x/a\none/x/b c\none/x/d/\n"
        )

    def test_of_very_many_names_those_that_begin_so_are_asked_for(self, vault: Vault, server: TreeServer) -> None:
        server.folders = {"": [f"key-{number:06}" for number in range(5000)]}
        out = vault("__complete", "-shell=zsh", "--", "vault kv get secret/key-0042").out
        assert out.split() == [f"secret/key-0042{number:02}" for number in range(100)]

    def test_nobody_waits_long(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        monkeypatch.setattr(complete, "candidates", lambda *_: release.wait(60) and ["late"])
        monkeypatch.setattr(complete, "SECONDS", 0.01)
        assert vault("__complete", "-shell=zsh", "--", "vault l")[:] == (0, "", "")
        release.set()

    @given(st.text(max_size=20), st.sampled_from(["", "'", '"']))
    def test_what_is_written_is_read_as_it_was(self, text: str, quote: str) -> None:
        on_the_line = written(text, quote)
        if on_the_line is None:
            assert not text.isprintable() or (quote, "!" in text) == ('"', True)
            return
        words, still_open, _ = read_line(f"vault {quote}{on_the_line}")
        assert (words, still_open) == (["vault", text], quote)
        assert read_line(f"vault {quote}{on_the_line}{quote}").words == ["vault", text]

    def test_what_is_written_is_to_bash_what_it_was(self) -> None:
        names = [
            "a b",
            "it's",
            '"',
            "$(exit 7)",
            "`exit 7`",
            "${HOME}",
            "a\\b",
            "*",
            "?[a]{b,c}",
            "~",
            "#x",
            "a;b|c&d",
            "<>",
            "ü",
        ]
        lines = [f"printf '%s\\n' {quote}{written(name, quote)}{quote}" for name in names for quote in ("", "'", '"')]
        done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.splitlines() == [name for name in names for _ in range(3)]

    @pytest.mark.parametrize(
        ("line", "words", "quote", "kept"),
        [
            ("", [""], "", 0),
            ("a  b ", ["a", "b", ""], "", 0),
            ("a -x=y", ["a", "-x=y"], "", 3),
            ("a -x='y z", ["a", "-x=y z"], "'", 3),
            ("a 'x=y", ["a", "x=y"], "'", 0),
            ("a x\\=y", ["a", "x=y"], "", 0),
            ("a k=@f", ["a", "k=@f"], "", 2),
            ('a "x\\"\\y"z', ["a", 'x"\\yz'], "", 0),
            ("a b\\", ["a", "b"], "", 0),
        ],
    )
    def test_lines_are_read_as_bash_takes_them_apart(self, line: str, words: list[str], quote: str, kept: int) -> None:
        assert read_line(line, "=:@") == (words, quote, kept)

    def test_every_command_of_the_table_exists(self) -> None:
        for path, place in complete_sources._ARGUMENTS:
            found, command, rest = catalog.find(path.split())
            assert isinstance(command, Command), path
            assert (found, rest, command.arity.high is None or place < command.arity.high) == (path.split(), [], True)

    @pytest.mark.parametrize("shell", sorted(SCRIPTS))
    def test_each_shell_has_a_script_for_both_names(self, vault: Vault, shell: str) -> None:
        out = vault("completion", shell).out
        assert "strongroom" in out
        assert "vault" in out
        assert f"__complete -shell={shell}" in out

    def test_another_shell_is_refused(self, vault: Vault) -> None:
        assert vault("completion", "tcsh")[:] == (
            *(1, ""),
            "Unknown shell: tcsh. There is completion for bash, fish, zsh.\n",
        )
