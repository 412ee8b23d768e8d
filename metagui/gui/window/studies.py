"""What is learnt, from the window's side: the prior, adapting a task, embedding and comparing takes.

torch is imported inside the jobs: it costs seconds, and the window should be there first.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.generator_job import GeneratorJob
from metagui.gui.core.learning_queue import LearningJob, LearningQueue
from metagui.gui.learning.loss_curves import compute_fraction_done
from metagui.gui.similarity.comparison import Comparison
from metagui.learning.similarity.similarity import (
    DistanceCalibration,
    Neighbour,
    choose_calibration,
    find_warm_start,
    rank,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.arm.capabilities import SceneArm
    from metagui.gui.core.task_queue import BackgroundQueue
    from metagui.gui.library.library_model import LibraryModel
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.siamese import SiameseEncoder

_EMBEDDING_BATCH_SIZE = 4
"""Takes embedded at once."""
_UNRELATED_TASK_COUNT = 3
"""Other tasks' takes by which it is told whether a policy heeds its own."""


class LearningController(QObject):
    """The prior, the comparison of all takes, and the jobs that change them."""

    prior_loaded = Signal()
    """The prior is loaded, or it is known why not."""
    adaptation_progressed = Signal(list)
    """AdaptationSteps."""
    policy_adapted = Signal(object)
    """An AdaptedTask that was just made."""
    policy_loaded = Signal(object)
    """An AdaptedTask that was made earlier and read again."""
    policy_load_failed = Signal(str)
    """A task whose policies of an earlier adaptation cannot be read; why, ``failed`` says."""
    job_cancelled = Signal(str)
    """A job came to nothing: what it was."""
    failed = Signal(object)
    prior_warning_posted = Signal(str)
    """Something about the prior that a person should know, in words."""
    comparison_changed = Signal(object)
    """The newest take that was embedded, or None."""
    training_progressed = Signal(object)
    """A SiameseStep."""
    encoder_trained = Signal()

    def __init__(
        self,
        library_model: LibraryModel,
        background_queue: BackgroundQueue,
        load_prior: Callable[[], Prior],
        arm: SceneArm,
    ) -> None:
        super().__init__()
        self._arm = arm
        self._library_model, self._background_queue, self._load_prior = library_model, background_queue, load_prior
        self.learning_queue = LearningQueue()
        self.prior: Prior | None = None
        self.prior_problem: str | None = "the prior is still loading"
        self.encoder_problem: str | None = "the encoder is still loading"
        self.comparison = Comparison()
        self._loading_job: GeneratorJob | None = None
        self._closed = False

    # The prior

    def load_prior(self) -> None:
        """Read the prior and warm the learner up, in a thread."""
        self._loading_job = job = GeneratorJob(self._load_and_warm_up)
        job.succeeded.connect(self._on_prior)
        job.failed.connect(self._on_prior_failed)
        job.start()

    def _load_and_warm_up(self, _stop: Callable[[], bool]) -> Generator[None, None, Prior]:
        from metagui.learning.adaptation.adaptation import warm_up

        warm_up()
        yield
        prior = self._load_prior()
        prior.check_compatible([joint.name for joint in self._arm.joints], self._arm.objects)
        return prior

    def _on_prior(self, prior: Prior) -> None:
        if self._closed:
            return
        self.prior, self.prior_problem = prior, None
        if prior.metadata.get("problem"):
            self.prior_warning_posted.emit(str(prior.metadata["problem"]))
        self.encoder_problem = None if prior.siamese_encoder.is_trained else "the encoder is not trained yet"
        self.prior_loaded.emit()

    def _on_prior_failed(self, error: Exception) -> None:
        if self._closed:
            return
        self.prior_problem = self.encoder_problem = _to_clause(str(error))
        self.failed.emit(error)
        self.prior_loaded.emit()

    def close(self) -> None:
        """End every thread."""
        if self._loading_job is not None:
            self._closed = True
            self._loading_job.cancel()
            self._loading_job.wait()
        self.learning_queue.close()

    # Adapting

    def adapt_task(self, task: str) -> bool:
        """Adapt to a task's takes; return whether it began."""
        prior, keys, library = self.prior, self._library_model.usable_takes(task), self._library_model.library
        if prior is None or not keys:
            return False
        near, others = self._nearest_policy_path(task), self._unrelated_takes(task)

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, TaskPolicy]:
            from metagui.learning.adaptation.adaptation import adapt_task
            from metagui.learning.adaptation.memorization import is_memorizing
            from metagui.learning.adaptation.task_policy import load_readable_policies

            takes = align_segmentation([library.load_take(*key) for key in keys])
            adapted = yield from adapt_task(prior, takes, None, should_stop, load_readable_policies(near))
            ignored = is_memorizing(prior, takes, [[library.load_take(*key)] for key in others])
            return replace(adapted, provenance=replace(adapted.provenance, ignores_demonstrations=ignored))

        def share(batch: list[Any]) -> float:
            return min(compute_fraction_done(batch[-1]), 0.99)  # then it is looked whether demonstrations matter

        return self._start_job(
            LearningActivity.ADAPTING, work, self.adaptation_progressed.emit, self._save_adapted, share
        )

    def _nearest_policy_path(self, task: str) -> dict[str, Path]:
        """Return the file of the nearest task that has policies of its own."""
        return find_warm_start(self.rank_neighbours(task)[0], self._library_model.adapted_path)

    def _unrelated_takes(self, task: str) -> list[TakeKey]:
        """Return a take of each of a few tasks that look most unlike this one."""
        unlike = [neighbour.task for neighbour in reversed(self.rank_neighbours(task)[0])]
        names = unlike or [row.name for row in self._library_model.tasks if row.name != task]
        return [keys[0] for name in names if (keys := self._library_model.usable_takes(name))][:_UNRELATED_TASK_COUNT]

    def _save_adapted(self, adapted: TaskPolicy) -> None:
        path = self._library_model.adapted_path(adapted.task)

        def write() -> TaskPolicy:
            path.parent.mkdir(parents=True, exist_ok=True)
            adapted.save(path)
            return adapted

        self._background_queue.submit(write, self.policy_adapted.emit, self.failed.emit)

    def load_policy(self, task: str) -> None:
        """Read a task's policies of an earlier adaptation."""
        path = self._library_model.adapted_path(task)

        def read() -> TaskPolicy:
            from metagui.learning.adaptation.task_policy import TaskPolicy

            return TaskPolicy.load(path)

        def refused(error: Exception) -> None:
            self.policy_load_failed.emit(task)
            self.failed.emit(error)

        self._background_queue.submit(read, self.policy_loaded.emit, refused)

    # Comparing

    def compare_takes(self) -> bool:
        """Embed every take anew, a few at a time; return whether it began."""
        prior, library = self.prior, self._library_model.library
        if prior is None or not prior.siamese_encoder.is_trained:
            return False
        keys = [TakeKey(t.name, k.name) for t in self._library_model.tasks for k in t.takes if k.samples]
        if not keys or self.learning_queue.state is not LearningActivity.IDLE:
            return False
        self.comparison = Comparison()

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, None]:
            from metagui.learning.similarity.siamese import embed

            for start in range(0, len(keys), _EMBEDDING_BATCH_SIZE):
                if should_stop():
                    return
                some = keys[start : start + _EMBEDDING_BATCH_SIZE]
                takes = [library.load_take(*key) for key in some]
                yield (start + len(some)) / max(len(keys), 1), some, embed(prior.siamese_encoder, takes), takes

        return self._start_job(
            LearningActivity.COMPARING, work, self._on_embedded, self._on_compared, lambda batch: batch[-1][0]
        )

    def _on_embedded(self, batch: list[Any]) -> None:
        for _, keys, vectors, takes in batch:
            for key, vector, take in zip(keys, vectors, takes, strict=True):
                self.comparison = self.comparison.with_take(key, vector)
                self._library_model.cache_take(take)
        self.comparison_changed.emit(None)

    def _on_compared(self, _result: None) -> None:
        self.comparison_changed.emit(None)

    def embed_take(self, take: Demonstration, on_finished: Callable[[], None]) -> None:
        """Add one take to the comparison."""
        prior, key = self.prior, TakeKey(take.task, take.name)
        if prior is None or not prior.siamese_encoder.is_trained:
            on_finished()
            return

        def work() -> Any:
            from metagui.learning.similarity.siamese import embed

            return embed(prior.siamese_encoder, [take])[0]

        def done(vector: Any) -> None:
            self.comparison = self.comparison.with_take(key, vector)
            self.comparison_changed.emit(key)
            on_finished()

        self._background_queue.submit(work, done, self.failed.emit)

    def remove_missing_takes(self) -> None:
        """Forget takes that the library no longer has."""
        there = {TakeKey(t.name, k.name) for t in self._library_model.tasks for k in t.takes}
        if not set(self.comparison.keys) <= there:
            self.comparison = self.comparison.restricted_to(there)
            self.comparison_changed.emit(None)

    def rank_neighbours(self, task: str) -> tuple[list[Neighbour], str]:
        """Return the other tasks, nearest first, and what the verdicts rest on."""
        vectors = self._embeddings_by_task()
        query = vectors.pop(task, None)
        if query is None or not vectors:
            return [], ""
        shipped = DistanceCalibration.from_dict(self.prior.metadata.get("calibration")) if self.prior else None
        calibration, why = choose_calibration(vectors | {task: query}, shipped)
        return rank(query, vectors, calibration), why

    def _embeddings_by_task(self) -> dict[str, Any]:
        if self.comparison.embeddings is None:
            return {}
        rows = self.comparison.embeddings
        names = np.array([k.task for k in self.comparison.keys])
        return {task: rows[names == task] for task in self.comparison.tasks}

    # Training the encoder

    def train_encoder(self) -> bool:
        """Train the encoder on the library's takes; return whether it began."""
        prior, library = self.prior, self._library_model.library
        keys = {t.name: [k.name for k in t.takes if k.samples] for t in self._library_model.tasks}

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, Any]:
            from metagui.learning.similarity.siamese import train
            from metagui.learning.similarity.trajectory import resample_takes

            series = {t: resample_takes([library.load_take(t, k) for k in names]) for t, names in keys.items() if names}
            start = prior.siamese_encoder if prior is not None and prior.siamese_encoder.is_trained else None
            return (yield from train(series, None, start, should_stop))

        def share(batch: list[Any]) -> float:
            return float(batch[-1].step / max(batch[-1].steps, 1))

        return self._start_job(LearningActivity.TRAINING, work, self._on_training, self._on_trained, share)

    def _on_training(self, batch: list[Any]) -> None:
        self.training_progressed.emit(batch[-1])

    def _on_trained(self, encoder: Any) -> None:
        if self.prior is not None:
            self.prior = replace(
                self.prior, siamese_encoder=encoder, metadata=self.prior.metadata | {"calibration": None}
            )
            self.encoder_problem = None
            self._background_queue.submit(
                partial(_save_encoder, self._library_model.library.root, encoder), None, self.failed.emit
            )
        self.encoder_trained.emit()

    # Common to all jobs

    def _start_job(
        self,
        kind: LearningActivity,
        job_function: Callable[[Callable[[], bool]], Generator[Any, None, Any]],
        on_progress: Callable[[list[Any]], None],
        on_success: Callable[[Any], None],
        fraction_done: Callable[[list[Any]], float],
    ) -> bool:
        def cancelled() -> None:
            self.job_cancelled.emit(kind.value)

        return self.learning_queue.start(
            LearningJob(kind, job_function, on_progress, on_success, self.failed.emit, cancelled, fraction_done)
        )


def _save_encoder(library_root: Path, encoder: SiameseEncoder) -> None:
    """Store an encoder beside the takes it was trained on. Raises OSError."""
    from metagui.learning.prior import save_library_encoder

    save_library_encoder(library_root, encoder)


def _to_clause(text: str) -> str:
    """Return a sentence as the second half of another one."""
    return (text[:1].lower() + text[1:]).rstrip(".")
