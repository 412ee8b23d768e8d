"""The commands that list, search, change and check a library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from metagui.cli import app
from metagui.demonstrations.storage.library import Library
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library")
    for task in ("above red", "press red"):
        for take in generate_example_takes()[task]:
            made.add_take(take)
    return made


def run(library: Library, *arguments: object, code: int = 0) -> Any:
    """Run a command on the library; return its JSON document, or its error message."""
    words = [str(each) for each in arguments]
    result = CliRunner().invoke(app, [*words, "--library", str(library.root), "--json"])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    return result.stderr if code else json.loads(result.stdout)


def list_names(library: Library, *query: str) -> list[str]:
    """Return the takes that a query finds."""
    return [f"{row['task']} {row['take']}" for row in run(library, "list", *query)["takes"]]


def test_takes_are_edited_found_moved_and_everything_is_undone(library: Library) -> None:
    everything = list_names(library)
    assert len(everything) == 6
    run(library, "edit", "press red", "002", "--notes", "slow start", "--tag", "demo", "--success", "no")
    assert list_names(library, "slow start", "tag:demo") == ["press red 002"]
    assert list_names(library, "press", "not:is:failure") == ["press red 001", "press red 003"]
    run(library, "trim", "press red", "001", "--from", "0.09", "--until", "0.51")
    (row,) = run(library, "list", "is:trimmed")["takes"]
    assert row["trim"] == [5, 26]
    run(library, "move", "press red", "001", "003", "--to", "part")
    run(library, "copy", "part", "001")
    run(library, "merge", "part", "above red")
    run(library, "rename", "above red", "all")
    run(library, "delete", "press red", "002")
    assert list_names(library) == [f"all {number:03}" for number in range(1, 7)]
    assert run(library, "undo", "--list")["changes"][0] == "deleting take 002 of “press red”"
    for _ in range(7):
        run(library, "undo")
    assert list_names(library) == everything
    assert list_names(library, "is:trimmed") == list_names(library, "is:tagged") == []
    assert "nothing to undo" in run(library, "undo", code=1)
    for _ in range(7):
        run(library, "redo")
    assert list_names(library) == [f"all {number:03}" for number in range(1, 7)]


def test_mistakes_change_nothing_and_say_what_is_possible(library: Library) -> None:
    before = list_names(library)
    assert "There are: 001, 002, 003" in run(library, "edit", "press red", "9", "--tag", "x", code=1)
    assert "name what to change" in run(library, "edit", "press red", "001", code=1)
    assert "Nothing is left" in run(library, "trim", "press red", "001", "--from", "5", "--until", "6", code=1)
    assert "merged with itself" in run(library, "merge", "press red", "press red", code=1)
    assert "There is a task" in run(library, "rename", "press red", "above red", code=1)
    assert "has no take" in run(library, "delete", "press red", "001", "nine", code=1)
    assert list_names(library) == before


def test_check_reads_everything_and_its_status_tells(library: Library) -> None:
    result = CliRunner().invoke(app, ["check", str(library.root), "--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"takes": 6, "defects": []})
    path = library.get_task_folder("press red") / "002.hdf5"
    path.write_bytes(path.read_bytes()[:4000])
    result = CliRunner().invoke(app, ["check", str(library.root), "--json", "--repair"])
    assert result.exit_code == 1
    (defect,) = json.loads(result.stdout)["defects"]
    assert "Task 'press red', take 002" in defect["defect"]
    assert defect["repaired"] is False
    assert path.stat().st_size == 4000, "what cannot be repaired for certain stays as it is"
    result = CliRunner().invoke(app, ["check", str(library.root / "nowhere")])
    assert result.exit_code == 1
    assert "no library to check" in result.stderr


def test_import_is_undone_in_one_step(library: Library, tmp_path: Path) -> None:
    run(library, "export", tmp_path / "takes.hdf5")
    other = Library(tmp_path / "other")
    run(other, "import", tmp_path / "takes.hdf5")
    everything = list_names(other)
    assert everything == list_names(library)
    assert "takes.hdf5" in str(run(other, "undo"))
    assert list_names(other) == []
    run(other, "redo")
    assert list_names(other) == everything
