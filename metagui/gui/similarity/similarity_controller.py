"""Similarity of takes for the window: embeds takes, ranks tasks, and trains the Siamese encoder.

torch is imported inside the jobs: the import takes seconds, and the window has to be visible first.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.learning_queue import LearningJob
from metagui.gui.similarity.comparison import Comparison
from metagui.learning.similarity.similarity import DistanceCalibration, Neighbour, choose_calibration, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.library.library_model import LibraryModel
    from metagui.learning.similarity.siamese import SiameseEncoder

_EMBEDDING_BATCH_SIZE = 4
"""Number of takes embedded in one step."""


class SimilarityController(QObject):
    """The comparison of all takes of the library, and the jobs that update it."""

    comparison_changed = Signal(object)
    """TakeKey of the newest take that was embedded, or None."""
    training_progressed = Signal(object)
    """A SiameseStep."""
    encoder_trained = Signal()

    def __init__(
        self,
        library_model: LibraryModel,
        background_queue: BackgroundQueue,
        learning_queue: LearningQueue,
        prior_store: PriorStore,
        messages: Messages,
    ) -> None:
        super().__init__()
        self.comparison = Comparison()
        self._library_model, self._background_queue = library_model, background_queue
        self._learning_queue, self._prior_store, self._messages = learning_queue, prior_store, messages
        self.encoder_trained.connect(self.compare_takes)

    # Comparing

    def compare_takes(self) -> bool:
        """Embed all takes again, a few at a time; return False if that is not possible now."""
        encoder, model, left_out = self._trained_encoder(), self._library_model, list[str]()
        keys = [TakeKey(t.name, k.name) for t in self._library_model.tasks for k in t.takes if k.samples]
        if encoder is None or not keys or self._learning_queue.state is not LearningActivity.IDLE:
            return False
        self.comparison = Comparison()

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, None]:
            from metagui.learning.similarity.siamese import embed

            for start in range(0, len(keys), _EMBEDDING_BATCH_SIZE):
                if should_stop():
                    return
                some = keys[start : start + _EMBEDDING_BATCH_SIZE]
                if takes := model.load_intact_takes(some, left_out):
                    yield (start + len(some)) / len(keys), embed(encoder, takes), takes

        return self._learning_queue.start(
            LearningJob(
                LearningActivity.COMPARING,
                work,
                self._on_embedded,
                lambda _: self._on_compared(left_out),
                self._messages.post_error,
                _ignore_cancel,
                lambda batch: batch[-1][0],
            )
        )

    def _trained_encoder(self) -> SiameseEncoder | None:
        prior = self._prior_store.prior
        return prior.siamese_encoder if prior is not None and prior.siamese_encoder.is_trained else None

    def _on_embedded(self, batch: list[Any]) -> None:
        for _, embeddings, takes in batch:
            for embedding, take in zip(embeddings, takes, strict=True):
                self.comparison = self.comparison.with_take(TakeKey(take.task, take.name), embedding)
                self._library_model.cache_take(take)
        self.comparison_changed.emit(None)

    def _on_compared(self, left_out: list[str]) -> None:
        self._library_model.report_left_out(left_out)
        self.comparison_changed.emit(None)

    def embed_take(self, take: Demonstration, on_finished: Callable[[Demonstration, float | None], None]) -> None:
        """Add a take to the comparison in the background.

        ``on_finished`` gets the take and its mean distance to the other takes of its task, None where that is unknown;
        it is called in any case, also without an encoder.
        """
        encoder = self._trained_encoder()
        if encoder is None:
            on_finished(take, None)
            return

        def work() -> Any:
            from metagui.learning.similarity.siamese import embed

            return embed(encoder, [take])[0]

        def failed(error: Exception) -> None:
            self._messages.post_error(error)
            on_finished(take, None)

        self._background_queue.submit(work, partial(self._on_take_embedded, take, on_finished), failed)

    def _on_take_embedded(
        self, take: Demonstration, on_finished: Callable[[Demonstration, float | None], None], embedding: Any
    ) -> None:
        key = TakeKey(take.task, take.name)
        self.comparison = self.comparison.with_take(key, embedding)
        self.comparison_changed.emit(key)
        on_finished(take, self.comparison.mean_distance_to_siblings(key))

    def remove_missing_takes(self) -> None:
        """Remove takes from the comparison that the library does not have any more."""
        existing = {TakeKey(t.name, k.name) for t in self._library_model.tasks for k in t.takes}
        if not set(self.comparison.keys) <= existing:
            self.comparison = self.comparison.restricted_to(existing)
            self.comparison_changed.emit(None)

    def rank_neighbours(self, task: str) -> tuple[list[Neighbour], str]:
        """Return the other tasks, most similar first, and what the verdicts are based on."""
        embeddings = self._embeddings_by_task()
        query = embeddings.pop(task, None)
        if query is None or not embeddings:
            return [], ""
        prior = self._prior_store.prior
        shipped = DistanceCalibration.from_dict(prior.metadata.get("calibration")) if prior else None
        calibration, basis = choose_calibration(embeddings | {task: query}, shipped)
        return rank(query, embeddings, calibration), basis

    def _embeddings_by_task(self) -> dict[str, Any]:
        if self.comparison.embeddings is None:
            return {}
        rows = self.comparison.embeddings
        names = np.array([k.task for k in self.comparison.keys])
        return {task: rows[names == task] for task in self.comparison.tasks}

    # Training the encoder

    def train_encoder(self) -> bool:
        """Train the encoder on the takes of the library; return False if another job runs."""
        start_encoder, model = self._trained_encoder(), self._library_model
        keys = [[TakeKey(t.name, k.name) for k in t.takes if k.samples] for t in model.tasks]

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, Any]:
            from metagui.learning.similarity.siamese import train
            from metagui.learning.similarity.trajectory import resample_takes

            loaded = [takes for each in keys if (takes := model.load_intact_takes(each, []))]
            series = {takes[0].task: resample_takes(takes) for takes in loaded}
            return (yield from train(series, None, start_encoder, should_stop))

        return self._learning_queue.start(
            LearningJob(
                LearningActivity.TRAINING,
                work,
                self._on_training,
                self._on_trained,
                self._messages.post_error,
                self._on_training_cancelled,
                compute_step_fraction,
            )
        )

    def _on_training(self, batch: list[Any]) -> None:
        self.training_progressed.emit(batch[-1])

    def _on_trained(self, encoder: SiameseEncoder) -> None:
        if self._prior_store.prior is not None:
            self._prior_store.replace_encoder(encoder)
            self._background_queue.submit(partial(_save_encoder, self._library_model.library.root, encoder))
        self.encoder_trained.emit()

    def _on_training_cancelled(self) -> None:
        self._messages.post(f"{LearningActivity.TRAINING.value} was cancelled; nothing was changed.")
        self.compare_takes()


def compute_step_fraction(batch: list[Any]) -> float:
    """Return the fraction done of a job whose progress has ``step`` and ``steps``, from 0 to 1."""
    return float(batch[-1].step / max(batch[-1].steps, 1))


def _ignore_cancel() -> None:
    """Post nothing: only the program itself cancels a comparison, and it starts another one."""


def _save_encoder(library_root: Path, encoder: SiameseEncoder) -> None:
    """Save an encoder in the library whose takes it was trained on. Raises OSError."""
    from metagui.learning.prior import save_library_encoder

    save_library_encoder(library_root, encoder)
