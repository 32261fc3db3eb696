import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.clock import ManualClock
from strongroom.databases import plugins
from strongroom.databases.plugin import SettingError
from strongroom.databases.templates import Template

FIELDS = ("DisplayName", "RoleName")
VALUES = {"DisplayName": "token-jane", "RoleName": "read.Only"}


def render(text: str) -> str:
    return Template(text, FIELDS).render(VALUES, ManualClock(1_700_000_000.5))


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("plain", "plain"),
        ("{{.RoleName}}_{{ .DisplayName }}", "read.Only_token-jane"),
        ('{{ printf "%s-%s" (.RoleName | uppercase) (.DisplayName | truncate 2) | truncate 6 }}', "READ.O"),
        ('{{ .RoleName | lowercase | replace "." "-" }}', "read-only"),
        ("{{ truncate 4 .RoleName }}", "read"),
        ("{{ truncate 40 .RoleName }}", "read.Only"),
        ("{{ .DisplayName | truncate_sha256 40 }}", "token-jane"),
        ('{{ "abc" | sha256 | truncate 8 }}', "ba7816bf"),
        ('{{ `a"b` | base64 }}', "YSJi"),
        ("{{ unix_time }}", "1700000000"),
        ("{{ unix_time_millis }}", "1700000000500"),
        ('{{ timestamp "2006-01-02T15:04:05Z" }}', "2023-11-14T22:13:20Z"),
        ('{{ timestamp "Jan 06 -0700 %Y" }}', "Nov 23 +0000 %Y"),
        ("a {{- .RoleName -}} b", "aread.Onlyb"),
        ('{{ "}}" }}', "}}"),
        ('{{ printf "%d%%%q" 7 "x" }}', '7%"x"'),
        ("{{ (((.RoleName))) }}", "read.Only"),
    ],
)
def test_templates_render(template: str, name: str) -> None:
    assert render(template) == name


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ .Nope", "unclosed action"),
        ("{{ .Nope }}", "there is no field .Nope"),
        ("{{ nope }}", 'function "nope" not defined'),
        ("{{ random }}", "wrong number of args for random"),
        ("{{ .RoleName 3 }}", "a value is no function"),
        ("{{ }}", "missing value"),
        ("{{ (.RoleName }}", "unclosed left parenthesis"),
        ("{{ .RoleName ) }}", "unexpected right parenthesis"),
        ("{{ $x }}", "unexpected character"),
        ("{{ .RoleName | 3 }}", "a value is no function"),
        ("{{ 99999999999999999999 }}", "integer overflow"),
        ("x" * 5000, "longer than"),
    ],
)
def test_what_cannot_be_read_is_refused_when_it_is_read(template: str, problem: str) -> None:
    with pytest.raises(SettingError, match="unable to initialize username template") as caught:
        Template(template, FIELDS)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "template", ["{{ truncate 0 .RoleName }}", "{{ random 100000 }}", '{{ random "x" }}', '{{ printf "%d" "x" }}']
)
def test_what_makes_no_sense_is_refused_when_it_is_rendered(template: str) -> None:
    with pytest.raises(SettingError, match="failed to generate username"):
        render(template)


def test_texts_that_are_cut_with_a_hash_stay_different() -> None:
    template = Template("{{ .RoleName | truncate_sha256 20 }}", FIELDS)
    names = {template.render({**VALUES, "RoleName": "role" * 10 + end}, ManualClock()) for end in "abc"}
    assert len(names) == 3
    assert {len(name) for name in names} == {20}


@pytest.mark.parametrize(
    ("plugin", "pattern"),
    [
        ("postgresql-database-plugin", r"v-token-ja-read\.Onl-[0-9A-Za-z]{20}-1700000000"),
        ("mysql-database-plugin", r"v-token-jane-read\.Only-[0-9A-Za-z]{9}"),
        ("mysql-legacy-database-plugin", r"v-read-[0-9A-Za-z]{9}"),
    ],
)
def test_the_names_that_plugins_give(plugin: str, pattern: str) -> None:
    assert re.fullmatch(pattern, render(plugins()[plugin].username_template))


@given(st.text(alphabet=st.sampled_from('{}.-|()"` rRandomole1printf%sd'), max_size=60))
def test_any_template_renders_or_is_refused(text: str) -> None:
    with contextlib.suppress(SettingError):
        render(text)
