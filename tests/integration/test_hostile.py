"""A short part of ``benchmarks.hostile``: every reader names what it cannot use, and changes no file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import hostile
from benchmarks.hostile_readers import READERS, make_samples
from metagui.arms.so101 import calibration
from metagui.arms.so101.stops import Zeros, load_zeros
from metagui.cli.commands.train import TrainingInputs, claim_checkpoint
from metagui.cli.output import CommandError
from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.programs.program import load_programs
from metagui.demonstrations.storage.errors import LibraryError
from metagui.demonstrations.storage.library import Library
from metagui.learning import prior
from metagui.learning.adaptation.task_policy import TaskPolicy
from metagui.learning.similarity.encoder_file import load_encoder
from tests.helpers import lerobot
from tests.helpers.exchange import read_demonstrations

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = 12


@pytest.mark.parametrize("name", READERS)
def test_reader_refuses_in_one_clear_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hostile, "MAX_MB", 1 << 30)  # of the whole run of the tests
    make_samples(tmp_path / "samples", [name])
    hostile.copy_sample(tmp_path / "samples" / name, tmp_path / "work" / "input")
    assert READERS[name].read(tmp_path / "work" / "input", tmp_path / "work" / "scratch") is None
    tried = [hostile.try_input(name, tmp_path / "samples" / name, tmp_path / "work", n, seed=1) for n in range(INPUTS)]
    assert [each for each in tried if each.verdict not in ("read", "refused")] == []
    capsys.readouterr()


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("take.hdf5 cannot be read: it is damaged.", ""),
        ("take.hdf5: 'NoneType' object has no attribute 'x'", "quotes"),
        ("take.hdf5:\nline 2", "no clear sentence"),
        ("It cannot be read.", "names no file"),
        ("", "no clear sentence"),
    ],
)
def test_messages_are_judged(message: str, problem: str) -> None:
    found = hostile.check_message(message, ["take.hdf5"])
    assert problem in found
    assert bool(problem) == bool(found)


def test_pipe_in_the_place_of_a_small_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "x.json"
    os.mkfifo(pipe)
    assert load_zeros(pipe) == Zeros()
    for read in (calibration.load, load_programs, prior.load, TaskPolicy.load, load_encoder):
        with pytest.raises(Exception, match="it is a pipe or a device"):
            read(pipe)
    (tmp_path / ".metagui").mkdir()
    os.mkfifo(tmp_path / ".metagui" / "history.json")
    assert ChangeHistory(Library(tmp_path)).list_undo_texts() == []


def test_stored_change_without_its_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".metagui").mkdir()
    step = {"text": "tagging", "change": {"kind": "set", "values": {"task": "t", "fields": {}}}}
    text = json.dumps({"format": 1, "undo": [step], "redo": []})
    (tmp_path / ".metagui" / "history.json").write_text(text)
    with pytest.raises(LibraryError, match="damaged change"):
        ChangeHistory(Library(tmp_path)).undo()


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_damaged_note_of_a_training_run_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "lessons.json").write_bytes(content)
    with pytest.raises(CommandError, match=r"lessons.json cannot be read: it is .* Nothing was changed"):
        claim_checkpoint(tmp_path, TrainingInputs("digest", 2, 0.5, 0, 1.0))


@pytest.mark.parametrize("values", [["x", "y"], [float("nan")] * 2, [0.5, 1.0], [1 << 60, 0], [-1, 0]])
def test_table_of_episodes_without_whole_numbers_is_refused(tmp_path: Path, values: list[object]) -> None:
    root = lerobot.write_v30(tmp_path / "set")
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    index = table.column_names.index("data/file_index")
    pq.write_table(table.set_column(index, "data/file_index", pa.array(values)), path)
    with pytest.raises(LibraryError, match="does not hold"):
        read_demonstrations(root, unit="degrees", placement=())
