"""What operators do without a running server: diagnose a configuration, migrate a storage, look into a snapshot."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Refused
from strongroom.cli.data import os_error
from strongroom.cli.progress import Progress, size
from strongroom.cli.run import Run

_MARKS = {"ok": "✓", "warning": "!", "failure": "✗"}


def diagnose(run: Run) -> int:
    """Print what is in order and what is not: 0 all is well, 1 a failure, 2 only warnings."""
    if not run.flags.list("config"):
        raise Refused("Must specify at least one config path using -config")
    from strongroom.app.diagnose import diagnose as examine

    skipped = set(run.flags.list("skip"))
    found = [one for one in examine(run.flags.list("config")) if one.check.split()[0] not in skipped]
    if run.table and run.flags.bool("debug"):
        run.format = "json"
    if not run.table:
        output.emit(run, [one._asdict() for one in found])
    else:
        width = max((len(one.check) for one in found), default=0)
        for one in found:
            run.ui.out(f"{_MARKS[one.status]}  {one.check:{width}}  {one.message}")
            if one.status != "ok" and one.fix:
                run.ui.out(f"   {'':{width}}  fix: {one.fix}")
    kinds = {one.status for one in found}
    if run.table:
        counts = [sum(one.status == kind for one in found) for kind in _MARKS]
        run.ui.out("\n{} in order, {} to look at, {} to correct".format(*counts))
    return 1 if "failure" in kinds else 2 if "warning" in kinds else 0


def migrate(run: Run) -> int:
    """Copy one storage into another."""
    path = run.flags.text("config")
    if not path:
        raise Refused("Must specify exactly one config path using -config")
    if run.flags.bool("reset"):
        run.ui.out("Success! There is no migration lock to reset: a storage is locked by the process that has it open.")
        return 0
    from strongroom.app.migrate import migrate as copy
    from strongroom.errors import ConfigError, StorageError

    line = Progress(run.ui, "Copying")
    last = ""

    def progress(count: int, key: str) -> None:
        nonlocal last
        last = key
        line.show(count, "entries")

    try:
        done = copy(path, start=run.flags.text("start"), progress=progress)
    except (ConfigError, StorageError) as error:
        line.end()
        again = f'\nWhat came before "{last}" is copied: go on with -start="{last}"' if last else ""
        raise Refused(f"Error migrating: {error}{again}", 2) from None
    except KeyboardInterrupt:
        line.end()
        if last:
            run.ui.warn(f'Stopped. Go on with -start="{last}"')
        raise
    line.end()
    for warning in done.warnings:
        run.ui.warn(f"WARNING! {warning}")
    if not run.table:
        return output.emit(
            run, {"entries": done.entries, "source": done.source, "destination": done.destination, "verified": True}
        )
    run.ui.out(f"Success! Copied {done.entries} entries from {done.source} to {done.destination}, and compared them.")
    return 0


def inspect(run: Run) -> int:
    """Print what is in a snapshot's file."""
    if len(run.args) != 1:
        raise Refused(f"Incorrect arguments (expected 1, got {len(run.args)})")
    from strongroom.app.snapshot_file import inspect as read
    from strongroom.errors import RequestError

    depth = run.flags.int("depth") if run.flags.given("depth") else 2
    if depth < 1:
        raise Refused("-depth is at least 1")
    path = run.args[0]
    try:
        found = read(path, depth)
    except OSError as error:
        raise Refused(f"Error opening snapshot file: open {path}: {os_error(error)}", 2) from None
    except RequestError as error:
        raise Refused(f"Error inspecting snapshot: {'; '.join(error.errors)}", 2) from None
    if not run.table:
        parts: list[Any] = [part._asdict() for part in found.parts]
        return output.emit(run, {"entries": found.entries, "size": found.size, "parts": parts})
    run.ui.out(output.columns([("Entries", str(found.entries)), ("Size", size(found.size))]))
    if run.flags.given("details") and not run.flags.bool("details"):
        return 0
    wanted = run.flags.text("filter")
    rows = [(part.name, str(part.entries), size(part.size)) for part in found.parts if part.name.startswith(wanted)]
    run.ui.out("\n" + output.table(("Key Name", "Count", "Size"), rows))
    return 0
