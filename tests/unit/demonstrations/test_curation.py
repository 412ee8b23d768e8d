"""Changes of a library with undo, search, and checks with repair."""

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from metagui.demonstrations.curation import changes
from metagui.demonstrations.curation.check import find_defects, repair
from metagui.demonstrations.curation.history import ChangeHistory, HistoryError
from metagui.demonstrations.curation.search import matches
from metagui.demonstrations.recording.recorder import Recorder
from metagui.demonstrations.storage.errors import LibraryError, NameCollisionError
from metagui.demonstrations.storage.library import Library
from tests.helpers.fakes import FakeArm
from tests.helpers.takes import record_fake_take


@pytest.fixture
def library(tmp_path):
    library = Library(tmp_path / "library")
    for number, task in enumerate(["red", "red", "red", "blue"]):
        library.add_take(record_fake_take(task, ticks=12 + number))
    (library.get_task_folder("red") / "adapted.safetensors").write_bytes(b"policy")
    return library


def snapshot(library):
    """Samples, success, notes, tags and trim of every take, and the other files."""
    return {
        task: (
            {t.name: (t.sample_count, t.success, t.notes, t.tags, t.trim) for t in listing.takes},
            listing.other_files,
        )
        for task, listing in library.list_all().items()
    }


CHANGES = {
    "rename": lambda library: changes.rename_task("red", "crimson"),
    "trash a take": lambda library: changes.trash("red", "002"),
    "trash a task": lambda library: changes.trash("red"),
    "split": lambda library: changes.move_takes("red", ["001", "003"], "part"),
    "renumber": lambda library: changes.move_takes("red", ["001"], "red"),
    "move": lambda library: changes.move_takes("red", ["002"], "blue"),
    "merge": lambda library: changes.merge_tasks(library, "red", "blue"),
    "edit": lambda library: changes.set_fields("red", "002", notes="slow", tags=["b", "a"], success=True, trim=[2, 9]),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_every_change_is_undone_and_redone_by_another_program(library, kind):
    before = snapshot(library)
    ChangeHistory(library).apply(kind, CHANGES[kind](library))
    after = snapshot(library)
    assert after != before
    later = Library(library.root)  # as after a restart
    assert ChangeHistory(later).list_undo_texts() == [kind]
    for _ in range(2):
        assert ChangeHistory(later).undo() == kind
        assert snapshot(later) == before
        assert ChangeHistory(later).redo() == kind
        assert {task: found for task, found in snapshot(later).items() if found[0]} == {
            task: found for task, found in after.items() if found[0]
        }


def test_merge_keeps_every_take_and_the_policy_in_the_trash(library):
    ChangeHistory(library).apply("merge", changes.merge_tasks(library, "red", "blue"))
    assert sorted(info.sample_count for info in library.list_takes("blue")) == [12, 13, 14, 15]
    assert library.list_tasks() == ["blue"]
    assert [path.read_bytes() for path in library.root.glob(".trash/*/*/adapted.safetensors")] == [b"policy"]


def test_copy_is_independent(library):
    name, undoing = changes.copy_take(library, "red", "001", "copies")
    library.set_notes("copies", name, "changed")
    assert library.get_take_info("red", "001").notes == ""
    undoing.apply(library)
    assert library.list_takes("copies") == []


def test_change_that_fails_halfway_is_taken_back(library):
    before = snapshot(library)
    with pytest.raises(LibraryError):
        ChangeHistory(library).apply("move", changes.move_takes("red", ["001", "002", "nine"], "blue"))
    assert snapshot(library) == before
    assert ChangeHistory(library).list_undo_texts() == []


def test_undo_never_replaces_a_take(library):
    history = ChangeHistory(library)
    history.apply("move", changes.move_takes("red", ["002"], "blue"))
    shutil.copy(library.get_take_info("red", "001").path, library.get_task_folder("red") / "002.hdf5")
    with pytest.raises(NameCollisionError):
        history.undo()
    assert len(library.list_takes("red")) == 3
    with pytest.raises(HistoryError, match="nothing to undo"):
        history.undo()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format": 2}', '{"format": 1, "undo": [{"text": "x", "change": {"kind": "rm"}}], "redo": []}'],
)
def test_damaged_history_is_an_empty_one(library, text):
    history = ChangeHistory(library)
    history.apply("note", changes.set_fields("red", "001", notes="kept"))
    history._path.write_text(text)
    assert history.list_undo_texts() == []
    history.apply("again", changes.set_fields("red", "001", notes="new"))
    assert history.list_undo_texts() == ["again"]


def test_history_cannot_restore_from_outside_the_trash(library, tmp_path):
    (tmp_path / "elsewhere" / "red").mkdir(parents=True)
    values = {"task": "red", "take": None, "path": "../elsewhere/red"}
    with pytest.raises(LibraryError, match="not in the trash"):
        changes.Change("restore", values).apply(library)


def test_search_by_words_tags_notes_and_marks(library):
    library.set_tags("red", "001", ["Demo", " "])
    library.set_notes("red", "002", "slow start")
    library.set_success("red", "003", False)

    def find(query):
        return [
            f"{i.task} {i.name}" for task in library.list_tasks() for i in library.list_takes(task) if matches(i, query)
        ]

    assert find("") == ["blue 001", "red 001", "red 002", "red 003"]
    assert find("RED -is:failure") == find("RED not:is:failure") == ["red 001", "red 002"]
    assert find("tag:demo") == ["red 001"]
    assert find('"slow start"') == ["red 002"]
    assert find("note:slow -tag:demo is:noted") == ["red 002"]
    assert find("is:failure") == ["red 003"]
    assert find('"slow') == ["red 002"]
    assert find("is:tagged arm:plain") == ["red 001"]


def test_tags_survive_other_edits_and_are_sorted(library):
    library.set_tags("red", "001", ["b", "a", "a"])
    library.set_notes("red", "001", "n")
    assert Library(library.root).get_take_info("red", "001").tags == ("a", "b")
    assert library.set_tags("red", "001", []).tags == ()


def test_whole_library_has_no_defects(library):
    assert list(find_defects(library)) == []


def test_check_names_every_defect_and_changes_nothing(library, tmp_path):
    folder = library.get_task_folder("red")
    with h5py.File(folder / "001.hdf5", "r+") as file:
        file["data/demo_0/obs/joint_positions"][3] = np.nan
    (folder / "002.hdf5").write_bytes((folder / "002.hdf5").read_bytes()[:3000])
    shutil.copy(folder / "003.hdf5", folder / "004.hdf5")
    (library.root / "lost.hdf5").touch()
    arm, recorder = FakeArm(), Recorder(library.root)
    recorder.start("cut", arm, arm)
    recorder._journal.close()
    path = recorder.journal_path
    content = path.read_bytes()
    path.write_bytes(b"x" + content[1:])
    before = {path: path.read_bytes() for path in library.root.rglob("*") if path.is_file()}
    found = {defect.path.name: defect.description for defect in find_defects(library)}
    assert set(found) == {"001.hdf5", "002.hdf5", "004.hdf5", "lost.hdf5", path.name}
    assert "not finite" in found["001.hdf5"]
    assert "cannot be read" in found["002.hdf5"]
    assert "same samples as take 003" in found["004.hdf5"]
    assert {path: path.read_bytes() for path in library.root.rglob("*") if path.is_file()} == before


def test_take_that_hides_an_example_is_listed_and_renumbered(tmp_path):
    examples = Library(tmp_path / "examples")
    examples.add_take(record_fake_take("red", ticks=20))
    own = Library(tmp_path / "own")
    own.add_take(replace(record_fake_take("red", ticks=12), notes="mine"))
    library = Library(tmp_path / "own", tmp_path / "examples")
    (defect,) = find_defects(library)
    assert "The example 'red' 001 is not shown" in defect.description
    assert repair(defect, ChangeHistory(library))
    assert [(info.name, info.notes) for info in library.list_takes("red")] == [("001", ""), ("002", "mine")]
    assert list(find_defects(library)) == []
    ChangeHistory(library).undo()
    assert len(list(find_defects(library))) == 1


def test_history_file_is_plain_json(library):
    ChangeHistory(library).apply("note", changes.set_fields("red", "001", notes="x"))
    document = json.loads((library.root / ".metagui" / "history.json").read_bytes())
    assert document["undo"][0]["text"] == "note"
