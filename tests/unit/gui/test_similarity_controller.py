"""The comparison follows the library: new, renamed, restored, damaged and removed takes; training and going back."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.storage.library import Library
from metagui.generators import run_to_end
from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.gui.core.learning_queue import LearningQueue
from metagui.gui.core.messages import Messages
from metagui.gui.core.prior_store import PriorStore
from metagui.gui.library.library_model import LibraryModel
from metagui.gui.similarity.encoder_training import EncoderTraining
from metagui.gui.similarity.similarity_controller import SimilarityController
from metagui.gui.similarity.take_embedder import TakeEmbedder
from metagui.learning.similarity.cache.library_values import LibraryValues
from metagui.learning.similarity.encoder_file import (
    OWN_KEY,
    CalibratedEncoder,
    load_encoder_for_library,
    load_shipped_encoder,
)
from metagui.learning.similarity.library_training import HeldOutScore, LibraryTraining
from metagui.learning.similarity.siamese import embed
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.priors import make_small_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot


class Bench:
    """The parts that compare takes, around a real library."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot, self.library, self.messages = qtbot, Library(folder), Messages()
        self.posted: list[str] = []
        self.messages.posted.connect(lambda text, _kind, _action: self.posted.append(text))
        self.queue, self.jobs = BackgroundQueue(self.messages.post_error), LearningQueue()
        self.model = LibraryModel(self.library, self.queue, self.messages)
        self.store = PriorStore(make_small_prior, load_shipped_encoder, [], [], self.messages)
        self.store.encoder, self.store.encoder_problem = load_shipped_encoder(), None
        self.similarity = SimilarityController(self.model, self.queue, self.store, self.messages)
        self.training = EncoderTraining(self.model, self.queue, self.jobs, self.store, self.messages)
        self.training.encoder_changed.connect(self.similarity.compare_takes)

    def wait_for_tasks(self, *names: str) -> None:
        self.qtbot.waitUntil(lambda: self.similarity.comparison.tasks == sorted(names), timeout=PATIENCE_MS)
        self.qtbot.waitUntil(lambda: not self.queue.is_busy, timeout=PATIENCE_MS)

    def was_posted(self, fragment: str) -> bool:
        return any(fragment in text for text in self.posted)


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(qtbot, tmp_path / "library")
    for task in ("above red", "press red"):
        for take in generate_example_takes()[task]:
            made.library.add_take(take)
    made.model.refresh()
    made.wait_for_tasks("above red", "press red")
    yield made
    made.jobs.close()
    made.queue.close()


def test_renamed_task_is_compared_under_its_new_name_at_once(bench: Bench) -> None:
    before = bench.similarity.comparison.embeddings
    embedded: list[object] = []
    bench.similarity.progressed.connect(lambda done, count: embedded.append((done, count)))
    bench.model.rename_task("press red", "push the red one down")
    bench.wait_for_tasks("above red", "push the red one down")
    ranked, _ = bench.similarity.rank_neighbours("push the red one down")
    assert [each.task for each in ranked] == ["above red"]
    after = bench.similarity.comparison.embeddings
    assert before is not None
    assert after is not None
    assert sorted(map(tuple, before.task.tolist())) == sorted(map(tuple, after.task.tolist()))
    bench.model.undo_stack.undo()
    bench.wait_for_tasks("above red", "press red")


def test_removed_take_leaves_and_undo_brings_it_back(bench: Bench) -> None:
    bench.model.move_to_trash("press red", "002")
    bench.qtbot.waitUntil(lambda: len(bench.similarity.comparison) == 5, timeout=PATIENCE_MS)
    assert TakeKey("press red", "002") not in bench.similarity.comparison.keys
    bench.model.undo_stack.undo()
    bench.qtbot.waitUntil(lambda: len(bench.similarity.comparison) == 6, timeout=PATIENCE_MS)


def test_take_that_came_from_outside_is_compared(bench: Bench) -> None:
    for take in generate_example_takes()["circle"]:
        Library(bench.library.root).add_take(take)
    bench.model.refresh()
    bench.wait_for_tasks("above red", "circle", "press red")


def test_task_that_went_since_it_was_listed_stops_nothing(bench: Bench) -> None:
    """The list of tasks may be older than the disk: another program removed a task."""
    shutil.rmtree(bench.library.get_task_folder("press red"))
    assert bench.similarity.compare_takes()
    bench.wait_for_tasks("above red")
    assert not bench.was_posted("There is no task")


def test_unchanged_takes_are_not_read_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    bench.library.add_take(generate_example_takes()["circle"][0])
    bench.model.refresh()
    bench.wait_for_tasks("above red", "circle", "press red")
    assert read == ["circle"]


def test_damaged_take_is_left_out_once_with_its_reason(bench: Bench) -> None:
    path = bench.library.get_take_info("press red", "001").path
    path.write_bytes(path.read_bytes()[:20_000])
    bench.model.refresh()
    bench.qtbot.waitUntil(lambda: len(bench.similarity.comparison) == 5, timeout=PATIENCE_MS)
    for _ in range(2):
        bench.model.refresh()
        bench.qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=PATIENCE_MS)
    assert len(bench.similarity.comparison) == 5
    assert len([text for text in bench.posted if "Left out" in text and "take 001" in text]) <= 1


def test_better_encoder_is_kept_and_can_be_reverted(bench: Bench) -> None:
    start = bench.store.encoder
    assert start is not None
    own = start.with_about({OWN_KEY: "2 tasks"})
    result = LibraryTraining(own, HeldOutScore(6, 4, 0.2), HeldOutScore(6, 6, 0.4), 2)
    bench.training.finish([], result)
    assert bench.was_posted("Of 6 held-out takes it recognises 6, before 4. It is used from now on.")
    assert bench.store.encoder is result.encoder
    bench.qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=PATIENCE_MS)
    assert load_encoder_for_library(bench.library.root).is_own
    bench.training.use_shipped_encoder()
    bench.qtbot.waitUntil(lambda: bench.was_posted("The shipped encoder is used again"), timeout=PATIENCE_MS)
    assert not bench.store.encoder.is_own
    assert not load_encoder_for_library(bench.library.root).is_own
    bench.wait_for_tasks("above red", "press red")


def test_encoder_that_is_no_better_is_not_kept(bench: Bench) -> None:
    start = bench.store.encoder
    assert start is not None
    own = start.with_about({OWN_KEY: "2 tasks"})
    result = LibraryTraining(own, HeldOutScore(6, 5, 0.2), HeldOutScore(6, 5, 0.1), 2)
    bench.training.finish([], result)
    assert bench.was_posted("That is no better, so the encoder in use stays.")
    assert bench.store.encoder is start
    assert not load_encoder_for_library(bench.library.root).is_own


def test_training_names_damaged_takes_and_views_stay_usable(bench: Bench) -> None:
    path = bench.library.get_take_info("press red", "001").path
    path.write_bytes(path.read_bytes()[:20_000])
    assert bench.training.train()
    assert bench.jobs.state is LearningActivity.TRAINING
    assert bench.similarity.comparison.rank("above red"), "ranking goes on with the encoder in use"
    bench.jobs.stop()
    bench.qtbot.waitUntil(lambda: bench.jobs.state is LearningActivity.IDLE, timeout=PATIENCE_MS)
    assert bench.was_posted("Left out")
    assert bench.was_posted("press red")
    assert bench.was_posted("held-out takes")


def test_too_few_takes_to_train_say_what_is_needed(qtbot: QtBot, tmp_path: Path) -> None:
    made = Bench(qtbot, tmp_path / "library")
    for task in ("above red", "press red"):
        made.library.add_take(generate_example_takes()[task][0])
    made.model.refresh()
    made.wait_for_tasks("above red", "press red")
    assert made.training.train()
    qtbot.waitUntil(lambda: made.was_posted("one of them with three takes"), timeout=PATIENCE_MS)
    assert made.jobs.state is LearningActivity.IDLE
    made.jobs.close()
    made.queue.close()


def test_saved_take_is_compared_before_its_file_is_listed(bench: Bench) -> None:
    take = generate_example_takes()["circle"][0]
    reported: list[float | None] = []
    bench.similarity.embed_take(take, lambda _take, distance: reported.append(distance))
    bench.qtbot.waitUntil(lambda: bool(reported), timeout=PATIENCE_MS)
    assert reported == [None], "there is no other take of its task"
    assert TakeKey("circle", take.name) in bench.similarity.comparison.keys
    assert np.isfinite(bench.similarity.comparison.task_matrix).all()


def test_task_that_is_gone_is_left_out_of_a_batch(tmp_path: Path) -> None:
    """It may be renamed between the listing and the reading, also when the window closes."""
    library = Library(tmp_path)
    library.add_take(generate_example_takes()["press red"][0])
    embedder = TakeEmbedder(load_shipped_encoder(), library)
    listed = embedder.stamp_takes(["press red", "gone"])
    assert list(listed.stamps) == [TakeKey("press red", "001")]
    library.rename_task("press red", "renamed")
    found = embedder.embed_takes(listed.stamps, listed.paths)
    assert (found.embeddings, found.takes) == ({}, [])


def test_next_start_reads_no_take_that_is_embedded(bench: Bench, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    touch_and_compare(bench)
    read = count_reads(monkeypatch)
    again = Bench(qtbot, bench.library.root)
    again.model.refresh()
    again.wait_for_tasks("above red", "press red")
    assert read == []
    before, after = bench.similarity.comparison, again.similarity.comparison
    assert before.keys == after.keys
    assert before.embeddings is not None
    assert after.embeddings is not None
    np.testing.assert_array_equal(before.embeddings.task, after.embeddings.task)
    again.jobs.close()
    again.queue.close()


def test_window_and_verb_share_what_is_embedded(bench: Bench) -> None:
    touch_and_compare(bench)
    library = Library(bench.library.root)
    infos = [info for listing in library.list_all().values() for info in listing.takes]
    steps: list[object] = []
    loaded = LibraryValues(library, infos, bench.posted.append).load_embeddings(None, load_shipped_encoder)
    assert len(run_to_end(loaded, steps.append).rows) == 6
    assert steps == [], "nothing is computed"


def test_embeddings_of_an_encoder_without_a_file_are_not_stored(bench: Bench, qtbot: QtBot) -> None:
    """Nothing may be found under the shipped encoder that another network computed."""
    touch_and_compare(bench)
    start = bench.store.encoder
    assert start is not None
    other = CalibratedEncoder(start.encoder.initialise(7), start.calibration)
    bench.store.replace_encoder(other)
    bench.similarity.compare_takes()
    qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=PATIENCE_MS)
    embedder = TakeEmbedder(load_shipped_encoder(), bench.library)
    stored = embedder.stamp_takes(["above red", "press red"]).stored
    assert len(stored) == 6
    expected = embed(start.encoder, [bench.library.load_take("above red", "001")])
    assert any(np.array_equal(row.motion, expected.motion) for row in stored.values())
    assert TakeEmbedder(other, bench.library).stamp_takes(["above red"]).stored == {}


def touch_and_compare(bench: Bench) -> None:
    """Have everything embedded once more, when the files are old enough to be known again by their times."""
    time.sleep(0.1)
    for task in ("above red", "press red"):
        for info in bench.library.list_takes(task):
            os.utime(info.path)
    time.sleep(0.1)
    bench.model.refresh()
    bench.similarity.compare_takes()
    bench.qtbot.waitUntil(lambda: not bench.queue.is_busy, timeout=PATIENCE_MS)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which every read of a take adds its task."""
    read: list[str] = []
    load = Library.load_intact_takes

    def count(library: Library, task: str, *rest: object) -> object:
        read.append(task)
        return load(library, task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Library, "load_intact_takes", count)
    return read
