"""Answers as tables, JSON and YAML, laid out as people's scripts know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from strongroom.cli.command import Refused
from strongroom.cli.run import Run
from strongroom.client import jsontext
from strongroom.client.durations import human_seconds
from strongroom.client.secret import Secret, mapping, whole

_GAP = "    "
_WIDTH = 78
#: How many names are printed at a time.
_SLICE = 1000
_DURATION_NAMES = frozenset({"period", "ttl", "duration", "lease_max", "ttl_max"})
_DURATION_ENDS = ("_period", "_ttl", "_duration")


# ------------------------------------------------------------------------------------------------ values
def go_value(value: Any) -> str:
    """A value as Go prints it: `[a b]`, `map[k:v]`, `<nil>`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_value(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(go_value, value)) + "]"
    return str(value)


def quoted_list(values: Any) -> str:
    """Names as Go quotes them: `["a" "b"]`."""
    return "[" + " ".join(jsontext.text(str(value)) for value in (values if isinstance(values, list) else ())) + "]"


def _shown(key: str, value: Any) -> str:
    """A value of a secret: whole seconds under a name that means a duration are shown as one."""
    timed = key in _DURATION_NAMES or key.endswith(_DURATION_ENDS)
    return human_seconds(value) if timed and type(value) is int else go_value(value)


# ------------------------------------------------------------------------------------------------ tables
def columns(rows: Iterable[Sequence[str]]) -> str:
    """Lay rows out in columns four spaces apart; an empty cell says `n/a`."""
    cells = [[cell if cell.strip() else "n/a" for cell in row] for row in rows]
    widths: list[int] = []
    for row in cells:
        widths += [0] * (len(row) - len(widths))
        for place, cell in enumerate(row):
            widths[place] = max(widths[place], len(cell))
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append(_GAP.join([*padded, row[-1]]))
    return "\n".join(lines)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns under underlined headers."""
    return columns([header, ["-" * len(name) for name in header], *rows])


def key_values(data: Mapping[str, Any]) -> str:
    """A table of an object's members, sorted."""
    return table(("Key", "Value"), [(key, go_value(data[key])) for key in sorted(data)])


def heading(title: str, width: int) -> str:
    """A title between equals signs, as wide as what stands below it, at least two signs on each side where it fits."""
    signs = width - len(title) - 2
    signs = 4 if signs <= 0 else signs + signs % 2
    line = "=" * (signs // 2)
    return f"{line} {title} {line}"


def heading_for(title: str, data: Mapping[str, Any]) -> str:
    """A title over the table of `data`."""
    return heading(title, max(map(len, data), default=0) + len(_GAP) + len("Value"))


# ------------------------------------------------------------------------------------------------ documents
def emit(run: Run, document: Any) -> int:
    """Print a document as JSON or YAML."""
    if run.format == "json":
        jsontext.dump(document, run.ui.stdout.write, indent=2)
        run.ui.out()
    elif run.format == "yaml":
        from strongroom.cli import yaml

        run.ui.out(yaml.dumps(document), end="")
    else:
        raise Refused(f"Could not parse output: cannot use the {run.format} formatter for this type")
    return 0


def show_data(run: Run, data: dict[str, Any]) -> int:
    """Print an object."""
    if not run.table:
        return emit(run, jsontext.ordered(data))
    if data:
        run.ui.out(key_values(data))
    return 0


def show_names(run: Run, names: list[Any]) -> int:
    """Print a list of names, a part at a time: there may be very many."""
    if run.format not in ("table", "yaml") or not names:
        return emit(run, names)
    shown = sorted(map(str, names)) if run.table else names
    if run.table:
        run.ui.out("Keys\n----")
    for start in range(0, len(shown), _SLICE):
        part = shown[start : start + _SLICE]
        if run.table:
            run.ui.out("\n".join(part))
        else:
            emit(run, part)
    return 0


def show_secret(run: Run, secret: Secret) -> int:
    """Print an answer, with its warnings on stderr where the table has no place for them."""
    if not run.table:
        return emit(run, secret.document())
    warn(run, secret)
    if rows := rows_of(secret):
        run.ui.out(table(("Key", "Value"), rows))
    return 0


def rows_of(secret: Secret) -> list[tuple[str, str]]:
    """What the table of an answer says."""
    rows = _lease_rows(secret) + _auth_rows(secret.auth) + _wrap_rows(secret.wrap_info)
    data = secret.data or {}
    return rows + [(key, _shown(key, data[key])) for key in sorted(data)]


def _lease_rows(secret: Secret) -> list[tuple[str, str]]:
    if secret.lease_duration <= 0:
        return []
    duration = human_seconds(secret.lease_duration)
    if not secret.lease_id:  # nothing to renew: only advice on when to look again
        return [("refresh_interval", duration)]
    return [
        ("lease_id", secret.lease_id),
        ("lease_duration", duration),
        ("lease_renewable", go_value(secret.renewable)),
    ]


def _auth_rows(auth: dict[str, Any] | None) -> list[tuple[str, str]]:
    if auth is None:
        return []
    if needs := mapping(auth.get("mfa_requirement")):
        from strongroom.cli.mfa import rows

        return rows(needs)
    duration = whole(auth.get("lease_duration"))
    metadata = mapping(auth.get("metadata")) or {}
    return [
        ("token", str(auth.get("client_token") or "")),
        ("token_accessor", str(auth.get("accessor") or "")),
        ("token_duration", human_seconds(duration) if duration else "∞"),
        ("token_renewable", go_value(bool(auth.get("renewable")))),
        ("token_policies", quoted_list(auth.get("token_policies"))),
        ("identity_policies", quoted_list(auth.get("identity_policies"))),
        ("policies", quoted_list(auth.get("policies"))),
        *((f"token_meta_{key}", go_value(metadata[key])) for key in sorted(metadata)),
    ]


def _wrap_rows(wrap: dict[str, Any] | None) -> list[tuple[str, str]]:
    if wrap is None:
        return []
    rows = [
        ("wrapping_token:", str(wrap.get("token") or "")),
        ("wrapping_accessor:", str(wrap.get("accessor") or "")),
        ("wrapping_token_ttl:", human_seconds(whole(wrap.get("ttl")))),
        ("wrapping_token_creation_time:", go_time(str(wrap.get("creation_time") or ""))),
        ("wrapping_token_creation_path:", str(wrap.get("creation_path") or "")),
    ]
    if wrap.get("wrapped_accessor"):
        rows.append(("wrapped_accessor:", str(wrap["wrapped_accessor"])))
    return rows


def go_time(text: str) -> str:
    """An RFC 3339 time in UTC as Go prints times: `2026-01-02 03:04:05.6 +0000 UTC`; others as they are."""
    if len(text) < 20 or text[10] != "T" or not text.endswith("Z"):
        return text
    return f"{text[:10]} {text[11:-1]} +0000 UTC"


def show_fields(run: Run, source: Secret | dict[str, Any]) -> int:
    """Print the one field that was asked for; raises `Refused` when it is not there."""
    value = _field(source, run.field) if isinstance(source, Secret) else source.get(run.field)
    if value is None:
        raise Refused(f'Field "{run.field}" not present in secret')
    if run.format in ("json", "yaml"):
        return emit(run, jsontext.ordered(value))
    run.ui.out(go_value(value), end="\n" if run.ui.stdout.isatty() else "")
    return 0


def _field(secret: Secret, name: str) -> Any:
    auth, wrap, data = secret.auth, secret.wrap_info, secret.data
    if auth is not None and name in _AUTH_FIELDS:
        return auth.get(_AUTH_FIELDS[name])
    if auth is None and wrap is not None and name in _WRAP_FIELDS:
        return wrap.get(_WRAP_FIELDS[name])
    if data and name in data:
        return data[name]
    if name == "data":
        return data
    envelope = {
        "refresh_interval": secret.lease_duration,
        "lease_duration": secret.lease_duration,
        "lease_id": secret.lease_id,
        "renewable": secret.renewable,
        "request_id": secret.request_id or None,
    }
    return envelope.get(name)


_AUTH_FIELDS = {
    "token": "client_token",
    "token_accessor": "accessor",
    "token_duration": "lease_duration",
    "token_renewable": "renewable",
    "token_policies": "token_policies",
    "identity_policies": "identity_policies",
    "policies": "policies",
}
_WRAP_FIELDS = {
    "wrapping_token": "token",
    "wrapping_accessor": "accessor",
    "wrapping_token_ttl": "ttl",
    "wrapping_token_creation_time": "creation_time",
    "wrapping_token_creation_path": "creation_path",
    "wrapped_accessor": "wrapped_accessor",
}


def show(run: Run, secret: Secret) -> int:
    """Print an answer, or the one field of it."""
    return show_fields(run, secret) if run.field else show_secret(run, secret)


def show_written(run: Run, secret: Secret | None, message: str) -> int:
    """Print what a write answered; without an answer people get a sentence and programs nothing."""
    if secret is not None:
        return show(run, secret)
    if run.table:
        run.ui.out(message)
    return 0


# ------------------------------------------------------------------------------------------------ warnings
def warn(run: Run, secret: Secret | None) -> None:
    """Print an answer's warnings to stderr."""
    if secret is not None and secret.warnings:
        run.ui.warn(warning_text(secret.warnings) + "\n")


def warning_text(warnings: list[Any]) -> str:
    """Warnings as a wrapped list."""
    import textwrap

    blocks = [
        textwrap.fill(str(text), _WIDTH, initial_indent="  * ", subsequent_indent="  ", break_long_words=False)
        for text in warnings
    ]
    return "WARNING! The following warnings were returned from Vault:\n\n" + "\n\n".join(blocks)
