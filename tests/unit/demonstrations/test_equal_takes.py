"""Takes that are stored already are found without reading others, and an import is one step to undo."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.formats.exchange import ImportOptions, ImportReport
from metagui.demonstrations.formats.registry import describe_import, import_takes
from metagui.demonstrations.storage import hdf5
from metagui.demonstrations.storage.index.equal_takes import EqualTakeFinder, compute_digest, find_equal_take
from metagui.demonstrations.storage.library import Library
from metagui.generators import run_to_end
from tests.helpers.exchange import export, import_into, list_all_takes
from tests.helpers.takes import record_fake_take

OLD_TAKE = Path(__file__).parents[2] / "data" / "version_0_1" / "library" / "go down" / "001.hdf5"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "library")


def make_take(number: int, task: str = "reach"):
    """Return one of many takes of equal length and duration."""
    take = record_fake_take(task)
    return replace(take, command_requested=take.command_requested + 0.001 * number)


@pytest.mark.parametrize("field", ["time", "command_requested", "command_sent"])
def test_digest_depends_on_every_sample(field):
    take = record_fake_take()
    for index in (0, len(take) - 1):
        values = getattr(take, field).copy()
        values.flat[index if values.ndim == 1 else index * values.shape[1]] += 1e-12
        assert compute_digest(replace(take, **{field: values})) != compute_digest(take)


def test_digest_has_one_form_for_nan_and_zero():
    take = record_fake_take()
    first, second = take.command_requested.copy(), take.command_requested.copy()
    first[0], second[0] = 0.0, -0.0
    first[1] = np.nan
    second[1] = np.frombuffer(np.uint64(0xFFF8000000000001).tobytes(), np.float64)[0]
    assert compute_digest(replace(take, command_requested=first)) == compute_digest(
        replace(take, command_requested=second)
    )


def test_other_takes_of_equal_length_are_not_read(library, monkeypatch):
    for number in range(12):
        library.add_take(make_take(number))
    finder, read, real = EqualTakeFinder(library), [], hdf5.read_take
    monkeypatch.setattr(hdf5, "read_take", lambda *given: (read.append(given), real(*given))[1])
    assert finder.find(make_take(99)) is None
    assert read == []
    found = finder.find(make_take(7, "another task"))
    assert found is not None
    assert found.name == "008"
    assert len(read) == 1


def test_take_of_version_0_1_is_found(library):
    folder = library.root / "go down"
    folder.mkdir(parents=True)
    shutil.copyfile(OLD_TAKE, folder / "001.hdf5")
    info = library.get_take_info("go down", "001")
    assert info.digest == ""
    assert find_equal_take(library, library.load_take("go down", "001")) == info


def test_digest_of_a_file_is_not_believed(library):
    """A program that changed the samples, but not the digest, makes no other take a duplicate."""
    path = library.add_take(make_take(1)).path
    with h5py.File(path, "r+") as file:
        file["data/demo_0/command_asked"][0] = 0.5
    assert find_equal_take(library, make_take(1)) is None


def test_import_is_one_step_to_undo(library, tmp_path):
    source = Library(tmp_path / "source")
    for number in range(3):
        source.add_take(make_take(number, "new task"))
    source.add_take(make_take(5, "known task"))
    library.add_take(make_take(9, "known task"))
    path = export(list_all_takes(source), tmp_path / "takes.hdf5").files[0]
    report = ImportReport()
    run_to_end(import_takes(path, library, ImportOptions(), report))
    history = ChangeHistory(library)
    history.add(*describe_import(path.name, report))
    after = {task: len(library.list_takes(task)) for task in library.list_tasks()}
    assert after == {"known task": 2, "new task": 3}
    assert history.undo() == "importing 4 takes from takes.hdf5"
    assert library.list_tasks() == ["known task"]
    assert [info.name for info in library.list_takes("known task")] == ["001"]
    history.redo()
    assert {task: len(library.list_takes(task)) for task in library.list_tasks()} == after
    assert library.load_take("new task", "002").command_requested[0, 0] == make_take(1).command_requested[0, 0]
    history.undo()
    assert library.list_tasks() == ["known task"]


def test_undoing_an_import_keeps_what_came_later(library, tmp_path):
    source = Library(tmp_path / "source")
    source.add_take(make_take(0, "new task"))
    path = export(list_all_takes(source), tmp_path / "takes.hdf5").files[0]
    report = ImportReport()
    run_to_end(import_takes(path, library, ImportOptions(), report))
    history = ChangeHistory(library)
    history.add(*describe_import(path.name, report))
    library.add_take(make_take(3, "new task"))
    history.undo()
    assert [info.name for info in library.list_takes("new task")] == ["002"]


def test_cancelled_import_reports_what_it_added(library, tmp_path):
    source = Library(tmp_path / "source")
    for number in range(3):
        source.add_take(make_take(number))
    path = export(list_all_takes(source), tmp_path / "takes.hdf5").files[0]
    report = ImportReport()
    steps = import_takes(path, library, ImportOptions(), report)
    next(steps)
    steps.close()
    assert [info.name for info in report.added] == ["001"]
    assert report.new_tasks == {"reach"}
    history = ChangeHistory(library)
    history.add(*describe_import(path.name, report))
    history.undo()
    assert library.list_tasks() == []


@pytest.mark.parametrize("as_export", [True, False])
def test_tags_notes_and_time_of_the_recording_come_back(library, tmp_path, as_export):
    source = Library(tmp_path / "source")
    source.add_take(make_take(0))
    source.set_tags("reach", "001", ["good", "slow"])
    before = source.set_notes("reach", "001", "a note")
    path = before.path
    if as_export:
        path = export(list_all_takes(source), tmp_path / "takes.hdf5").files[0]
    (added,) = import_into(library, path).added
    assert added == library.get_take_info("reach", "001")
    for field in ("tags", "notes", "recorded", "success", "digest"):
        assert getattr(added, field) == getattr(before, field)
    assert library.set_tags("reach", "001", ["other"]).tags == ("other",)
