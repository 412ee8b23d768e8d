"""The commands on libraries with damaged takes, odd folders, a failing disk and recordings that were cut off."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from metagui.cli import app
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram, save_programs
from metagui.demonstrations.recording import journal
from metagui.demonstrations.storage import hdf5
from metagui.demonstrations.storage.errors import StorageError
from metagui.demonstrations.storage.library import Library
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from typer.testing import Result

DAMAGED = Path(__file__).parents[1] / "data" / "damaged"
DAMAGES = {
    "bad_gzip": "'command_sent' is damaged",
    "time_scalar": "'timing/time' has the shape a single value",
    "no_num_samples": "its attribute 'num_samples' is missing",
}


def run_command(*arguments: object, code: int = 0) -> Result:
    """Run a command in this process, without a traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library")
    for task in ("above red", "press red"):
        for take in generate_example_takes()[task]:
            made.add_take(take)
    return made


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_take_of_another_task_stops_no_command(library: Library, damage: str, tmp_path: Path) -> None:
    """It is left out, which is said with its task; the damaged take itself is refused in one sentence."""
    library.create_task("t")
    shutil.copy(DAMAGED / f"{damage}.hdf5", library.root / "t" / "001.hdf5")
    left_out = f"Left out: Task 't', take 001: 001.hdf5 cannot be read as a take: {DAMAGES[damage]}"
    result = run_command("similar", "above red", "--library", library.root, "--json")
    assert left_out in result.stderr
    assert [row["task"] for row in json.loads(result.stdout)["neighbours"]] == ["press red"]
    result = run_command("export", tmp_path / "all.hdf5", "--library", library.root, "--json")
    assert left_out in result.stderr
    assert json.loads(result.stdout)["tasks"] == {"above red": 3, "press red": 3}
    result = run_command("adapt", "t", "--library", library.root, code=1)
    assert left_out in result.stderr
    assert "has no take that can be used" in result.stderr
    result = run_command("adapt", "t", "--take", "001", "--library", library.root, code=1)
    assert DAMAGES[damage] in result.stderr
    result = run_command("import", library.root / "t" / "001.hdf5", "--library", tmp_path / "other", code=1)
    assert DAMAGES[damage] in result.stderr
    assert Library(tmp_path / "other").list_tasks() == []


@pytest.mark.skipif(sys.platform != "linux", reason="the file system allows no such name")
def test_odd_folders_stop_no_command(library: Library, tmp_path: Path) -> None:
    (library.root / " lead").mkdir()
    os.mkdir(os.path.join(os.fsencode(library.root), b"caf\xe9"))
    (library.root / "gone").symlink_to("nowhere")
    result = run_command("export", tmp_path / "all.hdf5", "--library", library.root)
    assert "Left out: 'gone' is not a task" in result.stderr
    assert r"Left out: 'caf\xe9' is not a task" in result.stderr
    result = run_command("similar", "above red", "--library", library.root, "--json")
    assert len(json.loads(result.stdout)["neighbours"]) == 1


def test_import_twice_adds_takes_once(library: Library, tmp_path: Path) -> None:
    """An import that failed half way can be repeated."""
    run_command("export", tmp_path / "all.hdf5", "--library", library.root)
    other = Library(tmp_path / "other")
    other.add_take(library.load_take("above red", "001"))
    for _ in range(2):
        result = run_command("import", tmp_path / "all.hdf5", "--library", other.root)
        assert [len(other.list_takes(task)) for task in other.list_tasks()] == [3, 3]
    assert result.stderr.count("is in the library already") == 6
    assert "Left out: all.hdf5, demo_0 is in the library already, as above red 001." in result.stderr


# Recording with a failing disk, and recovery


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    hover = TaskProgram("hover", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),))
    save_programs(tmp_path / "programs.json", (hover,))
    return tmp_path / "programs.json"


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the journal fail after the number of writes in the list that is returned."""
    limit, real = [20], journal.Journal._write

    def write(self: journal.Journal, data: bytes) -> None:
        limit[0] -= 1
        if limit[0] < 0:
            raise OSError(28, "No space left on device")
        real(self, data)

    monkeypatch.setattr(journal.Journal, "_write", write)
    return limit


def test_record_with_failing_disk_is_never_a_success(programs: Path, failing_disk: list[int], tmp_path: Path) -> None:
    words = ("record", "hover", "--program", programs, "--seed", 3, "--library", tmp_path / "library")
    result = run_command(*words, "--json", code=1)
    assert "Recording stopped: No space left on device" in result.stderr
    assert "stored as hover 001, marked as failed" in result.stderr
    document = json.loads(result.stdout)
    assert (document["success"], document["samples"]) == (False, 20)
    library = Library(tmp_path / "library")
    take = library.load_take("hover", "001")
    assert (take.success, len(take)) == (False, 20)
    assert take.notes.startswith("Cut off")
    assert list((library.root / journal.JOURNAL_FOLDER).iterdir()) == []


def test_record_that_cannot_be_stored_is_recovered(
    programs: Path, failing_disk: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a second time, where the first one was stored just before a crash."""

    def refuse(*_: Any) -> None:
        raise StorageError("The library cannot be written: No space left on device.")

    words = ("record", "hover", "--program", programs, "--seed", 3, "--library", tmp_path / "library")
    with monkeypatch.context() as patch:
        patch.setattr(Library, "add_take", refuse)
        result = run_command(*words, code=1)
    assert "metagui recover --restore --library" in result.stderr
    (path,) = (tmp_path / "library" / journal.JOURNAL_FOLDER).iterdir()
    content = path.read_bytes()
    recover = ("recover", "--library", tmp_path / "library", "--json")
    (row,) = json.loads(run_command(*recover).stdout)["recordings"]
    assert (row["task"], row["samples"], row["take"]) == ("hover", 19, None)
    (row,) = json.loads(run_command(*recover, "--restore").stdout)["recordings"]
    assert row["take"] == "hover 001"
    path.write_bytes(content)
    (row,) = json.loads(run_command(*recover, "--restore").stdout)["recordings"]
    assert row["take"] == "hover 001"
    library = Library(tmp_path / "library")
    (info,) = library.list_takes("hover")
    assert (info.success, info.notes) == (None, "Cut off: recovered after a crash.")
    assert "No recording was cut off" in run_command("recover", "--library", tmp_path / "library").stdout
    assert hdf5.read_take(info.path).segments


def test_record_that_fails_at_once_leaves_nothing(programs: Path, failing_disk: list[int], tmp_path: Path) -> None:
    failing_disk[0] = 0
    words = ("record", "hover", "--program", programs, "--seed", 3, "--library", tmp_path / "library")
    assert "Nothing was recorded" in run_command(*words, code=1).stderr
    assert list((tmp_path / "library" / journal.JOURNAL_FOLDER).iterdir()) == []
    assert json.loads(run_command("recover", "--library", tmp_path / "library", "--json").stdout) == {"recordings": []}


def test_recover_names_recordings_that_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / journal.JOURNAL_FOLDER
    folder.mkdir()
    (folder / "a.journal").write_bytes(b"{}\n")
    result = run_command("recover", "--restore", "--library", tmp_path, "--json", code=1)
    (row,) = json.loads(result.stdout)["recordings"]
    assert "a.journal cannot be read back: its header is damaged" in row["error"]
    assert (folder / "a.journal").exists()
