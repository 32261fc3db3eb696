import contextlib
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.databases import settings
from strongroom.databases.mysql_dsn import read_target as read_mysql
from strongroom.databases.plugin import SettingError
from strongroom.databases.postgresql_dsn import read_target as read_postgresql

AWKWARD = "p@ss:/?#%&='\\ \"{}ü"


@pytest.mark.parametrize(
    ("details", "limits"),
    [
        ({}, settings.Limits(4, 4, 0)),
        (
            {"max_open_connections": "7", "max_idle_connections": 3, "max_connection_lifetime": "5s"},
            settings.Limits(7, 3, 5),
        ),
        ({"max_open_connections": 2, "max_idle_connections": 9}, settings.Limits(2, 2, 0)),
        ({"max_idle_connections": -1}, settings.Limits(4, 0, 0)),
        ({"max_open_connections": -1}, settings.Limits(1000, 1000, 0)),
    ],
)
def test_limits(details: dict[str, Any], limits: settings.Limits) -> None:
    assert settings.limits(details) == limits


@pytest.mark.parametrize("name", ["max_open_connections", "max_connection_lifetime"])
def test_a_limit_that_cannot_be_read_is_named(name: str) -> None:
    with pytest.raises(SettingError, match=f"invalid {name}"):
        settings.limits({name: "soon"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://{{username}}:{{password}}@db:5433/app?sslmode=disable",
        "postgres://{{username}}:{{password}}@db:5433/app?sslmode=disable",
        "host=db port=5433 user={{username}} password={{password}} dbname=app sslmode=disable",
        "host=db port=5433 user='{{username}}' password='{{password}}' dbname=app sslmode=disable",
    ],
)
def test_postgresql_names_and_passwords_may_hold_anything(url: str) -> None:
    target = read_postgresql({"connection_url": url, "username": AWKWARD, "password": AWKWARD})
    wanted = {"host": "db", "port": "5433", "user": AWKWARD, "password": AWKWARD, "dbname": "app"}
    assert {name: target.parameters[name] for name in wanted} == wanted
    assert AWKWARD not in repr(target).replace(target.words, "")


def test_postgresql_escaping_can_be_left_to_the_caller() -> None:
    url = "postgresql://{{username}}:{{password}}@db/app"
    details = {"connection_url": url, "username": "a%40b", "password": "c", "disable_escaping": True}
    assert read_postgresql(details).parameters["user"] == "a@b"


@pytest.mark.parametrize("read", [read_postgresql, read_mysql])
@pytest.mark.parametrize(
    ("details", "problem"),
    [
        ({}, "connection_url cannot be empty"),
        ({"connection_url": "nonsense"}, "connection_url is n"),
        ({"connection_url": "x@tcp(h)/", "username": "{{password}}"}, "cannot contain the template variables"),
    ],
)
def test_what_cannot_be_used_is_refused(read: Any, details: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        read(details)


def test_postgresql_pem_text_is_given_as_files_in_memory() -> None:
    target = read_postgresql({"connection_url": "postgresql://h/d", "tls_ca": "PEM", "private_key": "KEY"})
    assert pathlib.Path(target.parameters["sslkey"]).read_text() == "KEY"
    assert len(target.files) == 2
    target.close()
    assert not target.files


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (
            "{{username}}:{{password}}@tcp(db:3307)/app",
            {"host": "db", "port": 3307, "database": "app", "user": AWKWARD, "password": AWKWARD},
        ),
        ("{{username}}:{{password}}@tcp(db)/", {"host": "db", "port": 3306, "database": None}),
        ("{{username}}:{{password}}@tcp([::1]:3307)/", {"host": "::1", "port": 3307}),
        ("u:p@a:ss@unix(/run/mysqld.sock)/", {"unix_socket": "/run/mysqld.sock", "user": "u", "password": "p@a:ss"}),
        ("u@/", {"host": "127.0.0.1", "user": "u", "password": ""}),
        (
            "u@tcp(h)/?timeout=3s&parseTime=true&sql_mode=%27ANSI%27",
            {"connect_timeout": 3, "init_command": ["SET sql_mode = 'ANSI'"]},
        ),
        ("u@tcp(h)/", {"ssl": None, "ssl_disabled": True}),
    ],
)
def test_mysql_urls(url: str, wanted: dict[str, Any]) -> None:
    arguments = read_mysql({"connection_url": url, "username": AWKWARD, "password": AWKWARD}).arguments
    assert {name: arguments.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("u@udp(h)/", "a protocol that there is not"),
        ("u@tcp(h)/?tls=maybe", "unknown value of tls"),
        ("u@tcp(h)/?timeout=soon", "invalid timeout"),
        ("u@tcp(h)/?a-b=1", "cannot be a variable"),
    ],
)
def test_mysql_urls_that_make_no_sense(url: str, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        read_mysql({"connection_url": url})


@pytest.mark.parametrize(("word", "checked"), [("true", True), ("skip-verify", False), ("preferred", False)])
def test_mysql_tls(word: str, checked: bool) -> None:
    context = read_mysql({"connection_url": f"u@tcp(h)/?tls={word}"}).arguments["ssl"]
    assert context.check_hostname is checked


@pytest.mark.parametrize("read", [read_postgresql, read_mysql])
@given(url=st.text(max_size=60))
def test_any_url_is_read_or_refused(read: Any, url: str) -> None:
    with contextlib.suppress(SettingError):
        read({"connection_url": url, "username": "u", "password": "p"})
