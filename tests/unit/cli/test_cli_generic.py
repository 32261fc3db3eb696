"""read, write, list, delete, unwrap: what is sent and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

SECRET = {
    "request_id": "r1",
    "lease_id": "",
    "lease_duration": 0,
    "renewable": False,
    "data": {"b": True, "l": ["a", "b"], "m": {"k": "v"}, "n": 7, "nil": None, "s": "", "text": "a\nb", "ttl": 5400},
    "warnings": None,
    "wrap_info": None,
    "auth": None,
}
AUTH = {
    **SECRET,
    "data": None,
    "auth": {
        "client_token": "hvs.x",
        "accessor": "acc",
        "policies": ["default", "p"],
        "token_policies": ["default", "p"],
        "metadata": {"role": "r"},
        "lease_duration": 3600,
        "renewable": True,
        "entity_id": "",
        "token_type": "service",
        "orphan": True,
    },
}
WRAPPED = {
    **SECRET,
    "request_id": "",
    "data": None,
    "wrap_info": {
        "token": "hvs.w",
        "accessor": "wa",
        "ttl": 60,
        "creation_time": "2026-01-02T03:04:05.6Z",
        "creation_path": "cubbyhole/a",
    },
}


def test_read_prints_a_sorted_table(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/cubbyhole/a"] = (200, SECRET)
    assert vault("read", "/cubbyhole/a/").out == (
        "Key     Value\n---     -----\nb       true\nl       [a b]\nm       map[k:v]\nn       7\nnil     <nil>\n"
        "s       n/a\ntext    a\nb\nttl     1h30m\n"
    )


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        (
            {"lease_id": "db/creds/x", "lease_duration": 3600, "renewable": True},
            "lease_id           db/creds/x\nlease_duration     1h\nlease_renewable    true\n",
        ),
        ({"lease_duration": 2764800}, "refresh_interval    768h\n"),
    ],
)
def test_a_lease_comes_before_the_data(vault: Vault, server: FakeServer, given: dict[str, object], rows: str) -> None:
    server.answers["GET /v1/a"] = (200, {**SECRET, "data": {}, **given})
    assert vault("read", "a").out.split("\n", 2)[2] == rows


def test_read_as_json_keeps_the_known_order(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/a"] = (200, {**SECRET, "data": {"k": "v"}})
    expected = (
        '{\n  "request_id": "r1",\n  "lease_id": "",\n  "lease_duration": 0,\n  "renewable": false,\n'
        '  "data": {\n    "k": "v"\n  },\n  "warnings": null\n}\n'
    )
    assert vault("read", "a", "-format=JSON").out == expected
    assert vault("read", "a", VAULT_FORMAT="json").out == expected


def test_read_as_yaml(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/a"] = (200, {**SECRET, "data": {"n": "5", "text": "a\nb", "l": ["x"], "e": ""}})
    assert vault("read", "-format", "yml", "a").out == (
        'data:\n  e: ""\n  l:\n  - x\n  "n": "5"\n  text: |-\n    a\n    b\n'
        'lease_duration: 0\nlease_id: ""\nrenewable: false\nrequest_id: r1\nwarnings: null\n'
    )


@pytest.mark.parametrize(
    "number", ["12345678901234567890123", "1.10", "1e400", "-0", "0.1000000000000000055511151231257827"]
)
@pytest.mark.parametrize("form", ["json", "yaml", "table"])
def test_numbers_keep_their_digits(vault: Vault, server: FakeServer, number: str, form: str) -> None:
    server.answers["GET /v1/a"] = (200, b'{"data":{"x":%s}}' % number.encode())
    assert number in vault("read", f"-format={form}", "a").out


@pytest.mark.parametrize(
    ("field", "form", "printed"),
    [
        ("b", "table", "true"),
        ("l", "table", "[a b]"),
        ("m", "table", "map[k:v]"),
        ("text", "table", "a\nb"),
        ("ttl", "table", "5400"),
        ("lease_duration", "table", "0"),
        ("m", "json", '{\n  "k": "v"\n}\n'),
        ("text", "json", '"a\\nb"\n'),
        ("l", "yaml", "- a\n- b\n"),
    ],
)
def test_a_field_is_printed_alone(vault: Vault, server: FakeServer, field: str, form: str, printed: str) -> None:
    server.answers["GET /v1/a"] = (200, SECRET)
    assert vault("read", f"-field={field}", f"-format={form}", "a").out == printed


@pytest.mark.parametrize("field", ["absent", "nil"])
def test_an_absent_field_is_exit_code_1(vault: Vault, server: FakeServer, field: str) -> None:
    server.answers["GET /v1/a"] = (200, SECRET)
    result = vault("read", f"-field={field}", "a")
    assert (result.code, result.out, result.err) == (1, "", f'Field "{field}" not present in secret\n')


def test_nothing_there_is_exit_code_2(vault: Vault) -> None:
    result = vault("read", "-format=json", "cubbyhole/a")
    assert (result.code, result.out, result.err) == (2, "", "No value found at cubbyhole/a\n")


def test_a_404_with_data_is_an_answer(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/secret/data/a"] = (404, {"data": {"data": None, "metadata": {"version": 1}}})
    assert vault("read", "secret/data/a").out == (
        "Key         Value\n---         -----\ndata        <nil>\nmetadata    map[version:1]\n"
    )


def test_warnings_go_to_stderr(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/secret/a"] = (404, {"data": None, "warnings": ["Invalid path. " * 8]})
    result = vault("read", "secret/a")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("WARNING! The following warnings were returned from Vault:\n\n  * Invalid path.")
    assert all(len(row) <= 78 for row in result.err.splitlines())


def test_an_answer_without_envelope_is_data(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/sys/health"] = (200, {"initialized": True, "version": "1.15.6"})
    assert vault("read", "-field=version", "sys/health").out == "1.15.6"


def test_raw_is_the_body_as_it_came(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/pki/ca/pem"] = (200, b"-----BEGIN\n")
    assert vault("read", "-format=raw", "pki/ca/pem").out == "-----BEGIN\n\n"
    refused = vault("read", "pki/ca/pem")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith('Error reading pki/ca/pem: Get "')


def test_read_sends_words_as_parameters(vault: Vault, server: FakeServer) -> None:
    vault("read", "a", "version=2", "name=a b&c", "-format=json")
    assert server.seen[0].target == "/v1/a?name=a%20b%26c&version=2"


@pytest.mark.parametrize(
    ("words", "stdin", "sent"),
    [
        (["k=v", "k=w"], "", {"k": ["v", "w"]}),
        (["empty=", "eq=a=b", "n=5", "=v"], "", {"empty": "", "eq": "a=b", "n": "5", "": "v"}),
        (["k=-"], "from stdin\n", {"k": "from stdin\n"}),
        (["-"], '{"n": 1, "m": {"k": [1, 2.50]}}', {"n": 1, "m": {"k": [1, 2.5]}}),
        (["-", "n=2"], '{"n": 1}', {"n": [1, "2"]}),
        (["k=\\@literal", "d=\\-"], "", {"k": "@literal", "d": "\\-"}),
        (["k=v", "-format=json"], "", {"k": "v"}),
        (["k=v", "-format", "json"], "", {"k": "v"}),
    ],
)
def test_write_makes_an_object_of_its_words(
    vault: Vault, server: FakeServer, words: list[str], stdin: str, sent: dict[str, object]
) -> None:
    server.answers["PUT /v1/a"] = (204, None)
    assert vault("write", "a", *words, stdin=stdin).code == 0
    assert server.seen[0].json == sent
    assert server.seen[0].headers["Content-Type"] == "application/json"


def test_write_reads_files(vault: Vault, server: FakeServer, tmp_path: Path) -> None:
    server.answers["PUT /v1/a"] = (204, None)
    (tmp_path / "d.json").write_text('{"big": 12345678901234567890123}')
    (tmp_path / "pem").write_text("line\n")
    vault("write", "a", f"@{tmp_path}/d.json", f"pem=@{tmp_path}/pem")
    assert server.seen[0].body == b'{"big":12345678901234567890123,"pem":"line\\n"}'


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        ("", "EOF"),
        ("[1]", "the JSON must be an object"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"password": hunter2}', "not JSON at line 1, column 14: expecting value"),
        (b"\xff{", "the input is not UTF-8 text; encode it in base64 first"),
        ("[" * 100_000, "not JSON we can read: nested too deeply"),
    ],
)
def test_bad_data_is_named_but_not_quoted(vault: Vault, stdin: str | bytes, message: str) -> None:
    result = vault("write", "a", "-", stdin=stdin)
    assert (result.code, result.err) == (1, f'Failed to parse K=V data: invalid key/value pair "-": {message}\n')


def test_binary_arguments_are_refused(vault: Vault) -> None:
    assert "is not UTF-8 text" in vault("write", "a", "k=\udcff").err


@pytest.mark.parametrize(
    ("words", "out"),
    [([], "Success! Data written to: a\n"), (["-field=k"], "Success! Data written to: a\n"), (["-format=json"], "")],
)
def test_an_empty_answer_is_a_sentence_for_people_only(
    vault: Vault, server: FakeServer, words: list[str], out: str
) -> None:
    server.answers["PUT /v1/a"] = (204, None)
    assert vault("write", *words, "a/", "k=v").out == out


def test_write_forced_sends_an_empty_object(vault: Vault, server: FakeServer) -> None:
    vault("write", "-f", "transit/keys/k")
    assert server.seen[0].body == b"{}"


def test_patch_sends_a_merge_patch(vault: Vault, server: FakeServer) -> None:
    server.answers["PATCH /v1/a"] = (204, None)
    assert vault("patch", "a", "k=v").out == "Success! Data written to: a\n"
    assert server.seen[0].headers["Content-Type"] == "application/merge-patch+json"


def test_auth_table(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/auth/approle/login"] = (200, AUTH)
    assert vault("write", "auth/approle/login", "role_id=x").out == (
        "Key                  Value\n---                  -----\ntoken                hvs.x\ntoken_accessor       acc\n"
        'token_duration       1h\ntoken_renewable      true\ntoken_policies       ["default" "p"]\n'
        'identity_policies    []\npolicies             ["default" "p"]\ntoken_meta_role      r\n'
    )


@pytest.mark.parametrize(
    ("field", "printed"), [("token", "hvs.x"), ("token_duration", "3600"), ("policies", "[default p]")]
)
def test_auth_fields(vault: Vault, server: FakeServer, field: str, printed: str) -> None:
    server.answers["PUT /v1/login"] = (200, AUTH)
    assert vault("write", f"-field={field}", "login", "a=b").out == printed


def test_auth_as_json_has_the_known_keys(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/login"] = (200, AUTH)
    auth = vault("write", "-format=json", "login", "a=b").json["auth"]
    assert list(auth)[:3] == ["client_token", "accessor", "policies"]
    assert "token_type" not in auth
    assert auth["mfa_requirement"] is None


def test_wrapping_is_asked_for_and_shown(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/cubbyhole/a"] = (200, WRAPPED)
    result = vault("read", "-wrap-ttl=60", "cubbyhole/a")
    assert server.seen[0].headers["X-Vault-Wrap-Ttl"] == "1m0s"
    assert result.out == (
        "Key                              Value\n---                              -----\n"
        "wrapping_token:                  hvs.w\nwrapping_accessor:               wa\n"
        "wrapping_token_ttl:              1m\nwrapping_token_creation_time:    2026-01-02 03:04:05.6 +0000 UTC\n"
        "wrapping_token_creation_path:    cubbyhole/a\n"
    )
    assert vault("read", "-field=wrapping_token_ttl", "cubbyhole/a").out == "60"
    assert vault("read", "-format=json", "cubbyhole/a").json["wrap_info"]["wrapped_accessor"] == ""


def test_wrapping_wrap_is_always_wrapped(vault: Vault, server: FakeServer) -> None:
    vault("write", "sys/wrapping/wrap", "a=b")
    assert server.seen[0].headers["X-Vault-Wrap-Ttl"] == "5m"


@pytest.mark.parametrize(
    ("words", "token", "sent_token", "body"),
    [(["w"], "root", "root", b'{"token":"w"}'), (["w"], "", "w", b""), ([], "w", "w", b""), (["w"], "w", "w", b"")],
)
def test_unwrap_uses_the_wrapping_token(
    vault: Vault, server: FakeServer, words: list[str], token: str, sent_token: str, body: bytes
) -> None:
    server.answers["PUT /v1/sys/wrapping/unwrap"] = (200, SECRET)
    assert vault("unwrap", "-field=n", *words, VAULT_TOKEN=token).out == "7"
    assert (server.seen[0].headers["X-Vault-Token"], server.seen[0].body) == (sent_token, body)


def test_list(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/cubbyhole?list=true"] = (200, {"data": {"keys": ["app", "dir/"]}})
    assert vault("list", "cubbyhole/").out == "Keys\n----\napp\ndir/\n"
    assert vault("list", "-format=json", "cubbyhole").json == ["app", "dir/"]
    assert vault("list", "-format=yaml", "cubbyhole").out == "- app\n- dir/\n"


def test_an_empty_list_is_exit_code_2(vault: Vault) -> None:
    assert vault("list", "a")[:] == (2, "", "No value found at a\n")
    assert vault("list", "-format=json", "a")[:] == (2, "{}\n", "")


def test_list_detailed_shows_what_is_known_of_each(vault: Vault, server: FakeServer) -> None:
    data = {"keys": ["b", "a"], "key_info": {"a": {"name": "x"}, "b": {}}}
    server.answers["GET /v1/ids?list=true"] = (200, {"data": data})
    assert vault("list", "-detailed", "ids").out == "Keys    name\n----    ----\na       x\nb       <nil>\n"


def test_delete(vault: Vault, server: FakeServer) -> None:
    server.answers["DELETE /v1/a"] = (204, None)
    assert vault("delete", "a").out == "Success! Data deleted (if it existed) at: a\n"
    assert vault("delete", "a", "-format=json")[:] == (0, "", "")


def test_a_refusal_is_shown_as_the_server_said_it(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/a"] = (400, {"errors": ["first", "second"], "warnings": ["and this"]})
    result = vault("write", "a", "k=v")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"Error writing data to a: Error making API request.\n\nURL: PUT {server.address}/v1/a\nCode: 400. Errors:\n\n"
        "* first\n* second\n\nWARNING! The following warnings were returned from Vault:\n\n  * and this\n"
    )


def test_an_answer_that_is_no_json_is_shown_raw(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/a"] = (502, b"<html>bad gateway</html>")
    assert "Code: 502. Raw Message:\n\n<html>bad gateway</html>" in vault("read", "a", VAULT_MAX_RETRIES="0").err


def test_path_help(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/sys/mounts?help=1"] = (200, {"help": "## DESCRIPTION\n", "see_also": ""})
    assert vault("path-help", "sys/mounts").out == "## DESCRIPTION\n"
    assert json.loads(vault("path-help", "-format=json", "sys/mounts").out)["see_also"] == ""


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("read -output-curl-string a", 'curl -H "X-Vault-Token: {t}" -H "X-Vault-Request: true" "{addr}/v1/a"'),
        (
            "write -output-curl-string a k=it's",
            'curl -X PUT -H "X-Vault-Token: {t}" -H "X-Vault-Request: true" -d \'{{"k":"it\'"\'"\'s"}}\' "{addr}/v1/a"',
        ),
        (
            "list -output-curl-string a/",
            'curl -H "X-Vault-Token: {t}" -H "X-Vault-Request: true" "{addr}/v1/a?list=true"',
        ),
        (
            "read -output-curl-string -wrap-ttl=60s a",
            'curl -H "X-Vault-Wrap-Ttl: 1m0s" -H "X-Vault-Token: {t}" -H "X-Vault-Request: true" "{addr}/v1/a"',
        ),
    ],
)
def test_a_request_as_curl_is_not_sent_and_holds_no_token(
    vault: Vault, server: FakeServer, line: str, command: str
) -> None:
    assert vault(*line.split()).out == command.format(t="$(vault print token)", addr=server.address) + "\n"
    assert server.seen == []


@pytest.mark.parametrize(
    ("line", "path", "capabilities"),
    [
        ("read -output-policy secret/data/app", "secret/data/app", '"read"'),
        ("write -output-policy a k=v", "a", '"create", "update"'),
        ("patch -output-policy a k=v", "a", '"patch"'),
        ("list -output-policy a", "a", '"list"'),
        ("delete -output-policy a", "a", '"delete"'),
        ("auth enable -output-policy userpass", "sys/auth/userpass", '"create", "update", "sudo"'),
        ("policy list -output-policy", "sys/policies/acl", '"list"'),
    ],
)
def test_a_request_as_policy_is_not_sent(
    vault: Vault, server: FakeServer, line: str, path: str, capabilities: str
) -> None:
    assert vault(*line.split()).out == f'path "{path}" {{\n  capabilities = [{capabilities}]\n}}\n'
    assert server.seen == []


def test_wrong_use_with_a_preview_is_exit_code_1(vault: Vault) -> None:
    result = vault("read", "-output-curl-string")
    assert result.code == 1
    assert "Unable to generate cURL string from command" in result.err
