"""The library model: a saved take is listed from its own record, in an order in which no take can be lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metagui.demonstrations.curation import changes
from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.storage.errors import LibraryError
from metagui.demonstrations.storage.index import library_listing
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.gui.core.messages import Messages
from metagui.gui.library.library_model import LibraryModel
from metagui.gui.library.task_arrangement import arrange
from metagui.gui.recording.take_editor import TakeEditor
from tests.helpers.clocks import sleep
from tests.helpers.qt import until
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot


class CountingModel(LibraryModel):
    """A model that counts how often it reads the list of tasks."""

    scan_count = 0

    def refresh(self) -> None:
        self.scan_count += 1
        super().refresh()


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest.fixture
def model(tmp_path: Path, qtbot: QtBot, messages: Messages) -> Iterator[CountingModel]:
    made = CountingModel(Library(tmp_path), BackgroundQueue(messages.post_error), messages)
    made.refresh()
    until(qtbot, lambda: not made.is_busy)
    yield made
    made.close()


def save(model: LibraryModel, events: list[str], task: str = "press red") -> None:
    """Save a take and note the order of what happens."""
    take = generate_example_takes()[task][0]
    model.save_take(
        take,
        on_stored=lambda: events.append(f"stored {len(list(model.folder.rglob('*.hdf5')))} files"),
        on_saved=lambda info: events.append(f"saved {info.name}, undo {model.undo_stack.undoText()}"),
        on_failure=lambda error: events.append(f"failed: {error}"),
    )


def test_saved_take_is_listed_without_a_scan(model: CountingModel, qtbot: QtBot) -> None:
    scans = model.scan_count
    events: list[str] = []
    model.tasks_changed.connect(lambda: events.append("listed"))
    for number in (1, 2):
        save(model, events)
        until(qtbot, lambda number=number: events.count("listed") == number)  # type: ignore[misc]
    save(model, events, "above red")
    until(qtbot, lambda: events.count("listed") == 3)
    assert model.scan_count == scans
    added = model.tasks
    model.refresh()
    until(qtbot, lambda: events.count("listed") == 4)
    assert model.tasks == added, "a scan finds the same rows in the same order"


def test_journal_is_deleted_after_the_file_is_safe(model: LibraryModel, qtbot: QtBot) -> None:
    """The order is: file, journal, undo entry, newest take, list."""
    events: list[str] = []
    model.tasks_changed.connect(lambda: events.append("listed"))
    save(model, events)
    until(qtbot, lambda: "listed" in events)
    assert events == ["stored 1 files", "saved 001, undo recording take 001 of “press red”", "listed"]


def test_take_that_cannot_be_saved_keeps_its_journal(
    model: LibraryModel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_take: object) -> None:
        raise LibraryError("The disk is full.")

    monkeypatch.setattr(model.library, "add_take", refuse)
    events: list[str] = []
    save(model, events)
    until(qtbot, lambda: bool(events))
    assert events == ["failed: The disk is full."]


def test_undo_and_redo_read_the_library_again(model: LibraryModel, qtbot: QtBot) -> None:
    events: list[str] = []
    save(model, events)
    until(qtbot, lambda: len(model.tasks) == 1)
    model.undo_stack.undo()
    until(qtbot, lambda: not model.tasks or not model.tasks[0].takes)
    model.undo_stack.redo()
    until(qtbot, lambda: bool(model.tasks) and len(model.tasks[0].takes) == 1)


def test_change_that_fails_is_posted_and_not_undoable(model: LibraryModel, qtbot: QtBot, messages: Messages) -> None:
    posted: list[tuple[str, str, str]] = []
    messages.posted.connect(lambda *message: posted.append(message))
    model.move_to_trash("no such task", None)
    assert [kind for _, kind, _ in posted] == ["error"]
    assert not model.undo_stack.canUndo()
    until(qtbot, lambda: not model.is_busy)


def test_folder_that_is_no_task_is_reported_once(model: CountingModel, messages: Messages, qtbot: QtBot) -> None:
    """It hides no task, and the next scan does not repeat the message."""
    texts: list[str] = []
    messages.posted.connect(lambda text, _kind, _action: texts.append(text))
    (model.folder / "lost.hdf5").touch()
    (model.folder / "task").mkdir()
    for _ in range(2):
        model.refresh()
        until(qtbot, lambda: not model.is_busy)
    assert [row.name for row in model.tasks] == ["task"]
    assert [text for text in texts if "Left out: 'lost.hdf5' is not a task: a take needs a folder" in text] == texts
    assert len(texts) == 1


def test_take_that_was_removed_is_not_read_at_the_end(qtbot: QtBot, model: CountingModel) -> None:
    """A request that waits when the window closes is no error, although the take is gone."""
    model.library.add_take(generate_example_takes()["press red"][0])
    model._background_queue.submit(lambda: sleep(0.05))
    model.request_take(TakeKey("press red", "001"))
    model.library.remove_task("press red")
    model.close()


def test_change_during_a_scan_is_scanned_again(
    qtbot: QtBot, model: CountingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is renamed between the list of tasks and the list of its takes is no error."""
    model.library.add_take(generate_example_takes()["press red"][0])
    errors: list[str] = []
    model._messages.posted.connect(lambda text, kind, _action: errors.append(text) if kind == "error" else None)
    list_file_names = library_listing.list_file_names

    def rename_first(folder: Path) -> list[str]:
        monkeypatch.setattr(library_listing, "list_file_names", list_file_names)
        Library(model.folder).rename_task(folder.name, "renamed")
        model._rescan_needed = True
        return list_file_names(folder)

    sleep(0.1)  # until the folder, which was just listed, counts as changed
    (model.folder / "press red" / "other file").touch()
    monkeypatch.setattr(library_listing, "list_file_names", rename_first)
    model.refresh()
    until(qtbot, lambda: any(row.name == "renamed" for row in model.tasks))
    assert errors == []


def test_undo_survives_a_restart(qtbot: QtBot, model: CountingModel, messages: Messages) -> None:
    """What one window changed, the next one undoes, and a command line sees both."""
    model.library.add_take(generate_example_takes()["press red"][0])
    model.set_success(TakeKey("press red", "001"), False)
    assert model.rename_task("press red", "renamed")
    later = LibraryModel(Library(model.folder), BackgroundQueue(messages.post_error), messages)
    assert later.undo_stack.undoText() == "renaming “press red” to “renamed”"
    later.undo_stack.undo()
    later.undo_stack.undo()
    assert later.library.get_take_info("press red", "001").success is not False
    assert not later.undo_stack.canUndo()
    later.undo_stack.redo()
    assert later.library.get_take_info("press red", "001").success is False
    assert ChangeHistory(model.library).list_undo_texts() == ["marking take 001 of “press red”"]
    later.close()


def test_undo_stops_where_another_program_went_on(qtbot: QtBot, model: CountingModel, messages: Messages) -> None:
    errors: list[str] = []
    messages.posted.connect(lambda text, kind, _action: errors.append(text) if kind == "error" else None)
    model.library.add_take(generate_example_takes()["press red"][0])
    model.set_success(TakeKey("press red", "001"), False)
    ChangeHistory(Library(model.folder)).apply("noting", changes.set_fields("press red", "001", notes="other"))
    model.undo_stack.undo()
    assert "Another program has changed the library" in errors[0]
    info = model.library.get_take_info("press red", "001")
    assert (info.success, info.notes) == (False, "other")


def test_search_finds_tags_notes_and_marks(qtbot: QtBot, model: CountingModel) -> None:
    for take in generate_example_takes()["press red"]:
        model.library.add_take(take)
    model.library.add_take(generate_example_takes()["above red"][0])
    model.library.set_tags("press red", "002", ["demo"])
    model.library.set_notes("press red", "003", "slow start")
    model.refresh()
    until(qtbot, lambda: len(model.tasks) == 2)

    def find(query: str) -> dict[str, list[str]]:
        return {row.name: [take.name for take in row.takes] for row in arrange(model.tasks, query).tasks}

    assert find("") == {"above red": ["001"], "press red": ["001", "002", "003"]}
    assert find("PRESS") == {"press red": ["001", "002", "003"]}
    assert find("tag:demo") == {"press red": ["002"]}
    assert find("slow -tag:demo") == {"press red": ["003"]}
    assert find("is:failure") == {}
    assert find("is:hand") == {}
    assert find("is:adapted") == {}
    assert find("not:is:adapted tag:demo") == {"press red": ["002"]}
    assert arrange(model.tasks, "tag:demo").describe() == "1 of 2 tasks, 1 of 4 takes"
    assert arrange(model.tasks, "no such word").describe() == "Nothing fits; 2 tasks hidden"
    assert [row.name for row in arrange(model.tasks, order="takes").tasks] == ["press red", "above red"]
    assert [row.name for row in arrange(model.tasks, order="date").tasks] == ["above red", "press red"]


def test_redo_survives_a_restart_too(qtbot: QtBot, model: CountingModel, messages: Messages) -> None:
    for task in ("press red", "above red"):
        model.library.add_take(generate_example_takes()[task][0])
    model.rename_task("press red", "pressed")
    model.move_to_trash("above red", None)
    model.undo_stack.undo()
    model.undo_stack.undo()
    until(qtbot, lambda: not model.is_busy)
    later = LibraryModel(Library(model.folder), BackgroundQueue(messages.post_error), messages)
    assert later.undo_stack.redoText() == "renaming “press red” to “pressed”"
    later.undo_stack.redo()
    later.undo_stack.redo()
    assert later.library.list_tasks() == ["pressed"]
    assert not later.undo_stack.canRedo()
    until(qtbot, lambda: not later.is_busy)
    later.close()


def test_history_follows_another_program(qtbot: QtBot, model: CountingModel) -> None:
    """What another program has done or undone can be undone and redone here."""
    model.library.add_take(generate_example_takes()["press red"][0])
    model.set_success(TakeKey("press red", "001"), False)
    other = ChangeHistory(Library(model.folder))
    other.apply("renaming it", changes.rename_task("press red", "theirs"))
    model.look_for_changes()
    until(qtbot, lambda: model.undo_stack.undoText() == "renaming it")
    other.undo()
    model.look_for_changes()
    until(qtbot, lambda: model.undo_stack.redoText() == "renaming it")
    model.undo_stack.redo()
    assert model.library.list_tasks() == ["theirs"]
    model.undo_stack.undo()
    model.undo_stack.undo()
    assert model.library.get_take_info("press red", "001").success is True
    until(qtbot, lambda: not model.is_busy)


def test_move_that_fails_in_the_middle_changes_nothing(qtbot: QtBot, model: CountingModel) -> None:
    for take in generate_example_takes()["press red"]:
        model.library.add_take(take)
    keys = [TakeKey("press red", name) for name in ("001", "no such take", "003")]
    assert not model.move_takes(keys, "other")
    assert [info.name for info in model.library.list_takes("press red")] == ["001", "002", "003"]
    assert not model.undo_stack.canUndo()
    until(qtbot, lambda: not model.is_busy)


def test_copy_is_listed_and_can_be_undone(qtbot: QtBot, model: CountingModel) -> None:
    model.library.add_take(generate_example_takes()["press red"][0])
    model.copy_take(TakeKey("press red", "001"))
    until(qtbot, lambda: bool(model.tasks) and [take.name for take in model.tasks[0].takes] == ["001", "002"])
    model.undo_stack.undo()
    until(qtbot, lambda: [take.name for take in model.tasks[0].takes] == ["001"])


def test_edited_take_is_not_replaced_by_one_read_before(qtbot: QtBot, model: CountingModel) -> None:
    save(model, [])
    until(qtbot, lambda: len(model.tasks) == 1 and not model.is_busy)
    key = TakeKey("press red", "001")
    read_before = model.library.load_take(*key)  # by a comparison, in another thread
    model.cache_take(read_before)
    TakeEditor(model, Messages()).trim(read_before, 10, 40)
    model.cache_take(read_before)
    edited = model.request_take(key)
    assert edited is not None
    assert edited.trim == (10, 40)


def test_take_of_another_recording_replaces_the_one_in_memory(model: CountingModel) -> None:
    first, second = generate_example_takes()["press red"][:2]
    model.cache_take(replace(first, name="001"))
    model.cache_take(replace(second, name="001"))
    found = model.get_cached_take(TakeKey("press red", "001"))
    assert found is not None
    assert len(found) == len(second)
