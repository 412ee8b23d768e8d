"""What is learnt, from the window's side: the prior, adapting a task, embedding and comparing takes.

torch is imported inside the jobs: it costs seconds, and the window should be there first.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.recording.segmentation import reconciled
from metagui.gui.core.app_state import Learning
from metagui.gui.core.generator_job import Job
from metagui.gui.core.learning_queue import Assignment, Learner
from metagui.gui.learning.loss_curves import share_done
from metagui.gui.similarity.comparison import Comparison, TakeKey
from metagui.learning.similarity.similarity import Calibration, Neighbour, calibration_for, nearest_learnt, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.arm.capabilities import DeskArm
    from metagui.gui.core.task_queue import Errands
    from metagui.gui.library.library_model import Shelf
    from metagui.learning.adaptation.adapted_task import AdaptedTask
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.siamese import Encoder

_TOGETHER = 4
"""Takes embedded at once."""
_OTHERS = 3
"""Other tasks' takes by which it is told whether a policy heeds its own."""


class Studies(QObject):
    """The prior, the comparison of all takes, and the jobs that change them."""

    ready = Signal()
    """The prior is loaded, or it is known why not."""
    steps = Signal(list)
    """AdaptationSteps."""
    adapted = Signal(object)
    """An AdaptedTask that was just made."""
    recalled = Signal(object)
    """An AdaptedTask that was made earlier and read again."""
    unreadable = Signal(str)
    """A task whose policies of an earlier adaptation cannot be read; why, ``failed`` says."""
    ended = Signal(str)
    """A job came to nothing: what it was."""
    failed = Signal(object)
    remarked = Signal(str)
    """Something about the prior that a person should know, in words."""
    compared = Signal(object)
    """The newest take that was embedded, or None."""
    training = Signal(object)
    """A SiameseStep."""
    trained = Signal()

    def __init__(self, shelf: Shelf, errands: Errands, load_prior: Callable[[], Prior], arm: DeskArm) -> None:
        super().__init__()
        self._arm = arm
        self._shelf, self._errands, self._load_prior = shelf, errands, load_prior
        self.learner = Learner()
        self.prior: Prior | None = None
        self.problem: str | None = "the prior is still loading"
        self.encoder_problem: str | None = "the encoder is still loading"
        self.comparison = Comparison()
        self._loading: Job | None = None
        self._closed = False

    # The prior

    def load_prior(self) -> None:
        """Read the prior and warm the learner up, in a thread."""
        self._loading = job = Job(self._loading_work)
        job.succeeded.connect(self._on_prior)
        job.failed.connect(self._on_no_prior)
        job.start()

    def _loading_work(self, _stop: Callable[[], bool]) -> Generator[None, None, Prior]:
        from metagui.learning.adaptation.adaptation import warm_up

        warm_up()
        yield
        prior = self._load_prior()
        prior.check([joint.name for joint in self._arm.joints], self._arm.anchors)
        return prior

    def _on_prior(self, prior: Prior) -> None:
        if self._closed:
            return
        self.prior, self.problem = prior, None
        if prior.metadata.get("problem"):
            self.remarked.emit(str(prior.metadata["problem"]))
        self.encoder_problem = None if prior.encoder.trained else "the encoder is not trained yet"
        self.ready.emit()

    def _on_no_prior(self, error: Exception) -> None:
        if self._closed:
            return
        self.problem = self.encoder_problem = _lower(str(error))
        self.failed.emit(error)
        self.ready.emit()

    def close(self) -> None:
        """End every thread."""
        if self._loading is not None:
            self._closed = True
            self._loading.cancel()
            self._loading.wait()
        self.learner.close()

    # Adapting

    def adapt(self, task: str) -> bool:
        """Adapt to a task's takes; return whether it began."""
        prior, keys, library = self.prior, self._shelf.usable(task), self._shelf.library
        if prior is None or not keys:
            return False
        near, others = self._near(task), self._some_others(task)

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, AdaptedTask]:
            from metagui.learning.adaptation.adaptation import adapt_task
            from metagui.learning.adaptation.adapted_task import load_readable
            from metagui.learning.adaptation.memorization import ignores_demonstrations

            takes = reconciled([library.load(*key) for key in keys])
            adapted = yield from adapt_task(prior, takes, None, should_stop, load_readable(near))
            ignored = ignores_demonstrations(prior, takes, [[library.load(*key)] for key in others])
            return replace(adapted, provenance=adapted.provenance | {"ignores demonstrations": ignored})

        def share(batch: list[Any]) -> float:
            return min(share_done(batch[-1]), 0.99)  # then it is looked whether demonstrations matter

        return self._start(Learning.ADAPTING, work, self.steps.emit, self._keep_adapted, share)

    def _near(self, task: str) -> dict[str, Path]:
        """Return the file of the nearest task that has policies of its own."""
        return nearest_learnt(self.neighbours(task)[0], self._shelf.adapted_path)

    def _some_others(self, task: str) -> list[TakeKey]:
        """Return a take of each of a few tasks that look most unlike this one."""
        unlike = [neighbour.task for neighbour in reversed(self.neighbours(task)[0])]
        names = unlike or [row.name for row in self._shelf.tasks if row.name != task]
        return [keys[0] for name in names if (keys := self._shelf.usable(name))][:_OTHERS]

    def _keep_adapted(self, adapted: AdaptedTask) -> None:
        path = self._shelf.adapted_path(adapted.task)

        def write() -> AdaptedTask:
            path.parent.mkdir(parents=True, exist_ok=True)
            adapted.save(path)
            return adapted

        self._errands.run(write, self.adapted.emit, self.failed.emit)

    def recall(self, task: str) -> None:
        """Read a task's policies of an earlier adaptation."""
        path = self._shelf.adapted_path(task)

        def read() -> AdaptedTask:
            from metagui.learning.adaptation.adapted_task import AdaptedTask

            return AdaptedTask.load(path)

        def refused(error: Exception) -> None:
            self.unreadable.emit(task)
            self.failed.emit(error)

        self._errands.run(read, self.recalled.emit, refused)

    # Comparing

    def compare(self) -> bool:
        """Embed every take anew, a few at a time; return whether it began."""
        prior, library = self.prior, self._shelf.library
        if prior is None or not prior.encoder.trained:
            return False
        keys = [TakeKey(t.name, k.name) for t in self._shelf.tasks for k in t.takes if k.samples]
        if not keys or self.learner.state is not Learning.IDLE:
            return False
        self.comparison = Comparison()

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, None]:
            from metagui.learning.similarity.siamese import embed

            for start in range(0, len(keys), _TOGETHER):
                if should_stop():
                    return
                some = keys[start : start + _TOGETHER]
                takes = [library.load(*key) for key in some]
                yield (start + len(some)) / max(len(keys), 1), some, embed(prior.encoder, takes), takes

        return self._start(Learning.COMPARING, work, self._on_embedded, self._on_compared, lambda batch: batch[-1][0])

    def _on_embedded(self, batch: list[Any]) -> None:
        for _, keys, vectors, takes in batch:
            for key, vector, take in zip(keys, vectors, takes, strict=True):
                self.comparison = self.comparison.with_take(key, vector)
                self._shelf.keep(take)
        self.compared.emit(None)

    def _on_compared(self, _result: None) -> None:
        self.compared.emit(None)

    def embed(self, take: Demonstration, then: Callable[[], None]) -> None:
        """Add one take to the comparison."""
        prior, key = self.prior, TakeKey(take.task, take.name)
        if prior is None or not prior.encoder.trained:
            then()
            return

        def work() -> Any:
            from metagui.learning.similarity.siamese import embed

            return embed(prior.encoder, [take])[0]

        def done(vector: Any) -> None:
            self.comparison = self.comparison.with_take(key, vector)
            self.compared.emit(key)
            then()

        self._errands.run(work, done, self.failed.emit)

    def drop_missing(self) -> None:
        """Forget takes that the library no longer has."""
        there = {TakeKey(t.name, k.name) for t in self._shelf.tasks for k in t.takes}
        if not set(self.comparison.keys) <= there:
            self.comparison = self.comparison.only(there)
            self.compared.emit(None)

    def neighbours(self, task: str) -> tuple[list[Neighbour], str]:
        """Return the other tasks, nearest first, and what the verdicts rest on."""
        vectors = self._by_task()
        query = vectors.pop(task, None)
        if query is None or not vectors:
            return [], ""
        shipped = Calibration.from_dict(self.prior.metadata.get("calibration")) if self.prior else None
        calibration, why = calibration_for(vectors | {task: query}, shipped)
        return rank(query, vectors, calibration), why

    def _by_task(self) -> dict[str, Any]:
        if self.comparison.embeddings is None:
            return {}
        rows = self.comparison.embeddings
        names = np.array([k.task for k in self.comparison.keys])
        return {task: rows[names == task] for task in self.comparison.tasks}

    # Training the encoder

    def train(self) -> bool:
        """Train the encoder on the library's takes; return whether it began."""
        prior, library = self.prior, self._shelf.library
        keys = {t.name: [k.name for k in t.takes if k.samples] for t in self._shelf.tasks}

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, Any]:
            from metagui.learning.similarity.siamese import train
            from metagui.learning.similarity.trajectory import series_of

            series = {t: series_of([library.load(t, k) for k in names]) for t, names in keys.items() if names}
            start = prior.encoder if prior is not None and prior.encoder.trained else None
            return (yield from train(series, None, start, should_stop))

        def share(batch: list[Any]) -> float:
            return float(batch[-1].step / max(batch[-1].steps, 1))

        return self._start(Learning.TRAINING, work, self._on_training, self._on_trained, share)

    def _on_training(self, batch: list[Any]) -> None:
        self.training.emit(batch[-1])

    def _on_trained(self, encoder: Any) -> None:
        if self.prior is not None:
            self.prior = replace(self.prior, encoder=encoder, metadata=self.prior.metadata | {"calibration": None})
            self.encoder_problem = None
            self._errands.run(partial(_keep_encoder, self._shelf.library.root, encoder), None, self.failed.emit)
        self.trained.emit()

    # Common to all jobs

    def _start(
        self,
        kind: Learning,
        work: Callable[[Callable[[], bool]], Generator[Any, None, Any]],
        progressed: Callable[[list[Any]], None],
        succeeded: Callable[[Any], None],
        share: Callable[[list[Any]], float],
    ) -> bool:
        def cancelled() -> None:
            self.ended.emit(kind.value)

        return self.learner.start(Assignment(kind, work, progressed, succeeded, self.failed.emit, cancelled, share))


def _keep_encoder(library: Path, encoder: Encoder) -> None:
    """Store an encoder beside the takes it was trained on. Raises OSError."""
    from metagui.learning.prior import save_encoder

    save_encoder(library, encoder)


def _lower(text: str) -> str:
    """Return a sentence as the second half of another one."""
    return (text[:1].lower() + text[1:]).rstrip(".")
