"""Every storage keeps files whole, whatever it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_builders import storage as module
from fm_builders.storage import SEGMENT, Bucket, Folder, Storage, open_storage
from fm_hub.errors import UserError


@pytest.fixture(params=["folder", "file", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    places = {"folder": str(tmp_path / "s"), "file": f"file://{tmp_path}/s", "memory": f"memory://{tmp_path.name}"}
    return open_storage(places[request.param])


def test_a_path_is_a_folder_and_a_url_is_not(tmp_path: Path) -> None:
    assert isinstance(open_storage(tmp_path), Folder)
    assert isinstance(open_storage(f"file://{tmp_path}"), Bucket)
    with pytest.raises(UserError, match="nosuch"):
        open_storage("nosuch://bucket")


def test_what_is_written_is_read_listed_and_deleted(storage: Storage) -> None:
    assert storage.read("a/b") is None
    assert list(storage.names("a")) == []
    storage.write("a/b", b"one")
    storage.write("a/b", b"two")
    storage.write("a/c/d", b"three")
    assert storage.read("a/b") == b"two"
    assert sorted(storage.names("a")) == [("a/b", 3), ("a/c/d", 5)]
    storage.delete("a/b")
    storage.delete("a/b")
    assert [name for name, _ in storage.names("a")] == ["a/c/d"]


def test_files_come_and_go_whole(storage: Storage, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"clip")
    storage.adopt(made, "clips/x.mp4")
    assert not made.exists()
    with storage.local("clips/x.mp4") as path:
        assert path.read_bytes() == b"clip"
        assert path.name == "x.mp4"
    dest = tmp_path / "out" / "y.mp4"
    for _ in range(2):
        assert storage.place("clips/x.mp4", dest)
        assert dest.read_bytes() == b"clip"
    assert not storage.place("clips/none.mp4", tmp_path / "out" / "none.mp4")
    assert [p.name for p in dest.parent.iterdir()] == ["y.mp4"]


def test_lines_are_there_as_soon_as_they_are_added(storage: Storage) -> None:
    file = storage.appender("ledger/w.jsonl")
    lines = [f"{i}\n".encode() for i in range(2 * SEGMENT + 3)]
    for i, line in enumerate(lines):
        file.add(line)
        if i in (0, SEGMENT, len(lines) - 1):
            names = sorted(name for name, _ in storage.names("ledger"))
            assert b"".join(storage.read(n) or b"" for n in names) == b"".join(lines[: i + 1])
    file.close()


def test_another_disk_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    made = tmp_path / "made"
    made.write_bytes(b"clip")
    storage = Folder(tmp_path / "s")
    storage.write("clips/x.mp4", b"clip")
    monkeypatch.setattr(module.os, "link", no)
    assert storage.place("clips/x.mp4", tmp_path / "y.mp4")
    assert (tmp_path / "y.mp4").read_bytes() == b"clip"
