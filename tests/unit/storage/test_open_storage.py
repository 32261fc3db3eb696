import asyncio

import pytest

from strongroom.errors import ConfigError
from strongroom.storage import open_storage
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.sqlite import SQLiteStorage


@pytest.mark.parametrize(
    ("kind", "settings", "file"),
    [
        ("sqlite", {"path": "{}/my.db"}, "my.db"),
        ("sqlite", {"path": "{}/new/"}, "new/strongroom.db"),
        ("sqlite", {"path": "{}/var/lib/new"}, "var/lib/new/strongroom.db"),
        ("sqlite", {"path": "{}/new.d"}, "new.d/strongroom.db"),
        ("sqlite", {"path": "{}/new/my.db"}, "new/my.db"),
        ("sqlite", {"path": "{}"}, "strongroom.db"),
        ("file", {"path": "{}/f"}, "f/strongroom.db"),
        ("raft", {"path": "{}/r", "node_id": "node-1"}, "r/strongroom.db"),
    ],
)
def test_the_embedded_kinds_keep_one_file(tmp_path, kind, settings, file):
    storage = open_storage(kind, {name: value.format(tmp_path) for name, value in settings.items()})
    assert isinstance(storage, SQLiteStorage)
    assert storage.path == tmp_path / file
    assert storage.path.is_file()
    assert storage.node_id == settings.get("node_id", "")
    asyncio.run(storage.close())


def test_a_file_that_is_there_is_the_database_whatever_its_name(tmp_path):
    file = tmp_path / "data"
    asyncio.run(open_storage("sqlite", {"path": f"{tmp_path}/my.db"}).close())
    (tmp_path / "my.db").rename(file)
    storage = open_storage("sqlite", {"path": str(file)})
    assert storage.path == file
    asyncio.run(storage.close())


def test_a_folder_that_is_made_is_its_owners_alone(tmp_path):
    asyncio.run(open_storage("sqlite", {"path": f"{tmp_path}/new"}).close())
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_in_memory_needs_nothing():
    assert isinstance(open_storage("inmem", {}), MemoryStorage)


@pytest.mark.parametrize("kind", ["postgresql", "consul", "s3", "", "SQLite"])
def test_a_kind_that_is_not_there_names_those_that_are(kind):
    with pytest.raises(ConfigError, match=f'storage "{kind}" is not available. Use one of: file, inmem, raft, sqlite'):
        open_storage(kind, {})


@pytest.mark.parametrize("kind", ["sqlite", "file", "raft"])
@pytest.mark.parametrize("settings", [{}, {"path": ""}])
def test_a_missing_path_is_named(kind, settings):
    with pytest.raises(ConfigError, match=f'storage "{kind}" needs "path"'):
        open_storage(kind, settings)


def test_joining_a_raft_cluster_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="retry_join"):
        open_storage("raft", {"path": str(tmp_path), "retry_join": "x"})


@pytest.mark.parametrize(("kind", "name"), [("raft", "vault.db"), ("raft", "raft/raft.db"), ("file", "core/_keyring")])
def test_the_folder_of_another_server_is_left_alone(tmp_path, kind, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=name):
        open_storage(kind, {"path": str(tmp_path)})
    assert not (tmp_path / "strongroom.db").exists()
