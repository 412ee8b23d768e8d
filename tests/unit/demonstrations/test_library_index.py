"""The index of a library: quick, never the truth, and in no one's way."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from metagui.demonstrations.storage import hdf5
from metagui.demonstrations.storage.errors import CorruptFileError
from metagui.demonstrations.storage.index import library_listing
from metagui.demonstrations.storage.index.record_store import RecordStore
from metagui.demonstrations.storage.library import Library
from metagui.paths import cache_dir
from tests.helpers.clocks import sleep
from tests.helpers.takes import record_fake_take

SETTLING_S = 0.1
"""Time after which every change of a file gives another time stamp."""


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setattr(library_listing, "MIN_SAVED_RECORDS", 1)
    library, take = Library(tmp_path / "library"), record_fake_take()
    for task in ("reach red", "réach blue"):
        for _ in range(3):
            library.add_take(replace(take, task=task, notes=f"of {task}", success=True))
    sleep(SETTLING_S)
    library.list_all()
    return library


@pytest.fixture
def read_infos(monkeypatch):
    """Paths of all takes whose listing was read from their files."""
    found, real = [], hdf5.read_take_info
    monkeypatch.setattr(hdf5, "read_take_info", lambda path, *rest: (found.append(path), real(path, *rest))[1])
    return found


def list_all(library):
    return {task: listing.takes for task, listing in Library(library.root).list_all().items()}


def test_second_start_reads_no_take(library, read_infos):
    expected = {task: tuple(library.list_takes(task)) for task in library.list_tasks()}
    assert list_all(library) == expected
    assert read_infos == []


def test_refresh_returns_the_same_objects_until_a_task_changes(library, read_infos):
    before = library.list_all()
    assert all(library.list_all()[task] is listing for task, listing in before.items())
    library.set_notes("reach red", "002", "changed")
    after = library.list_all()
    assert after["réach blue"] is before["réach blue"]
    assert after["reach red"].takes[1].notes == "changed"
    assert {path.name for path in read_infos} == {"002.hdf5"}


def test_change_behind_our_back_is_seen_even_with_old_times(library):
    """Another program writes into the file and sets size and modification time back, as synchronisers do."""
    info = library.get_take_info("reach red", "001")
    status = info.path.stat()
    with h5py.File(info.path, "r+") as file:
        file.attrs["success"] = "no"
    os.truncate(info.path, max(status.st_size, info.path.stat().st_size))
    os.utime(info.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    sleep(SETTLING_S)
    assert library.list_all()["reach red"].takes[0].success is False
    assert list_all(library)["reach red"][0].success is False


def test_files_that_come_and_go_are_seen(library):
    folder = library.get_task_folder("reach red")
    shutil.copy(folder / "001.hdf5", folder / "007.hdf5")
    (folder / "002.hdf5").unlink()
    folder.rename(folder.with_name("renamed"))
    shutil.rmtree(library.get_task_folder("réach blue"))
    for found in (library.list_all(), Library(library.root).list_all()):
        assert {task: [take.name for take in listing.takes] for task, listing in found.items()} == {
            "renamed": ["001", "003", "007"]
        }
        assert all(take.task == "renamed" and take.path.parent.name == "renamed" for take in found["renamed"].takes)


def test_other_files_of_a_task_are_listed(library):
    (library.get_task_folder("reach red") / "adapted.safetensors").write_bytes(b"policy")
    assert library.list_all()["reach red"].other_files == {"adapted.safetensors"}
    assert library.list_all()["réach blue"].other_files == frozenset()


@pytest.mark.parametrize("damage", ["garbage", "cut", "no tables", "folder", "other schema", "wrong records"])
def test_damaged_index_costs_time_only(library, damage, read_infos):
    (index,) = (cache_dir() / "index").glob("*.sqlite")
    for path in index.parent.glob("*-*"):
        path.unlink()
    expected = {task: tuple(library.list_takes(task)) for task in library.list_tasks()}
    if damage == "garbage":
        index.write_bytes(os.urandom(10_000))
    elif damage == "cut":
        index.write_bytes(index.read_bytes()[:5000])
    elif damage == "no tables":
        index.write_bytes(b"")
    elif damage == "folder":
        index.unlink()
        index.mkdir()
    else:
        connection = sqlite3.connect(index)
        if damage == "other schema":
            connection.execute("DROP TABLE records")
        else:
            connection.execute("UPDATE records SET value = '[1, 2]'")
        connection.commit()
        connection.close()
    assert list_all(library) == expected
    if damage != "folder":
        read_infos.clear()
        assert list_all(library) == expected
        assert damage == "other schema" or read_infos == []


def test_unwritable_cache_is_no_obstacle(library, monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("METAGUI_CACHE", str(tmp_path / "file" / "cache"))
    assert len(list_all(library)["reach red"]) == 3


def test_library_folder_stays_free_of_the_index(library):
    assert not list(library.root.rglob("*.sqlite*"))


def test_index_is_shared_by_processes(library):
    """Four processes list and change the library at once; every change is seen, and the index is whole."""
    code = (
        "import sys; from pathlib import Path; from metagui.demonstrations.storage.library import Library\n"
        "library = Library(Path(sys.argv[1]))\n"
        "for i in range(10):\n"
        "    library.set_notes('reach red', '001', f'{sys.argv[2]} {i}'); library.list_all()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(library.root), str(n)]) for n in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert library.get_take_info("reach red", "001").notes.endswith(" 9")
    assert list_all(library) == {task: tuple(library.list_takes(task)) for task in library.list_tasks()}


def test_processes_that_change_one_take_lose_nothing(library):
    """One sets notes, one the success, one the trim, again and again; the last of each remains."""
    code = (
        "import sys; from pathlib import Path; from metagui.demonstrations.storage.library import Library\n"
        "library, what = Library(Path(sys.argv[1])), sys.argv[2]\n"
        "change = {'notes': library.set_notes, 'success': library.set_success, 'trim': library.set_trim}[what]\n"
        "values = {'notes': ['a', 'b'], 'success': [True, False], 'trim': [None, (2, 9)]}[what]\n"
        "for i in range(16):\n"
        "    change('reach red', '001', values[i % 2])\n"
        "    assert getattr(library.get_take_info('reach red', '001'), what) == values[i % 2], (what, i)\n"
    )
    kinds = ("notes", "success", "trim")
    processes = [subprocess.Popen([sys.executable, "-c", code, str(library.root), kind]) for kind in kinds]
    assert [process.wait() for process in processes] == [0] * 3
    found = library.get_take_info("reach red", "001")
    assert (found.notes, found.success, found.trim) == ("b", False, (2, 9))


def test_process_that_ends_while_changing_blocks_no_other(library):
    """The lock ends with its process."""
    code = (
        "import os, sys; from pathlib import Path; from metagui.demonstrations.storage.library import Library\n"
        "with Library(Path(sys.argv[1]))._changing(): os._exit(3)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(library.root)], check=False).returncode == 3
    library.set_notes("reach red", "001", "still possible")


def test_store_is_shared_by_threads(tmp_path):
    store = RecordStore(tmp_path / "deep" / "store.sqlite", "one")

    def write(number):
        for i in range(20):
            store.write({f"{number} {i}": ("v", bytes([number]))})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.read()) == 80
    assert RecordStore(store.path, "two").read() == {}


def test_damage_noted_before_the_file_settles_stays_noted(tmp_path):
    """The version of a file that was just written is not trusted, but what reading it has shown is."""
    damaged = Path(__file__).parents[2] / "data" / "damaged" / "bad_gzip.hdf5"
    library = Library(tmp_path)
    library.create_task("damaged")
    shutil.copy(damaged, library.get_task_folder("damaged") / "001.hdf5")
    with pytest.raises(CorruptFileError):
        library.load_take("damaged", "001")
    assert library.list_takes("damaged")[0].error
    sleep(SETTLING_S)
    assert library.list_takes("damaged")[0].error
