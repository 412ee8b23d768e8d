"""Training of the similarity encoder on the library's takes, from the window; a better encoder is kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.learning_queue import LearningJob

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.library.library_model import LibraryModel
    from metagui.learning.similarity.encoder_file import CalibratedEncoder
    from metagui.learning.similarity.library_training import LibraryTraining


class EncoderTraining(QObject):
    """Trains the encoder further on the library's takes, and reverts to the shipped one."""

    training_progressed = Signal(object)
    """A SiameseStep."""
    encoder_changed = Signal()
    """Another encoder is used from now on."""

    def __init__(
        self,
        library_model: LibraryModel,
        background_queue: BackgroundQueue,
        learning_queue: LearningQueue,
        prior_store: PriorStore,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._library_model, self._background_queue = library_model, background_queue
        self._learning_queue, self._prior_store, self._messages = learning_queue, prior_store, messages

    def train(self) -> bool:
        """Train on the takes of the library; return False if there is no encoder or another job runs."""
        start, model, left_out = self._prior_store.encoder, self._library_model, list[str]()
        keys = [[TakeKey(row.name, take.name) for take in row.takes if take.samples] for row in model.tasks]
        if start is None:
            return False

        def work(should_stop: Callable[[], bool]) -> Generator[Any, None, LibraryTraining]:
            from metagui.learning.similarity.library_training import train_on_library

            takes: dict[str, list[Demonstration]] = {}
            for each in keys:
                for take in model.load_intact_takes(each, left_out):
                    takes.setdefault(take.task, []).append(take)
            return (yield from train_on_library(takes, start, should_stop))

        return self._learning_queue.start(
            LearningJob(
                LearningActivity.TRAINING,
                work,
                self._on_progress,
                partial(self.finish, left_out),
                self._messages.post_error,
                self._on_cancelled,
                compute_step_fraction,
            )
        )

    def use_shipped_encoder(self) -> None:
        """Remove the library's own encoder and use the one that ships with the program."""
        self._background_queue.submit(partial(_remove_own_encoder, self._library_model.library.root), self._on_reverted)

    def _on_progress(self, batch: list[Any]) -> None:
        self.training_progressed.emit(batch[-1])

    def finish(self, left_out: list[str], result: LibraryTraining) -> None:
        """Report a result, with the takes that were left out; use and store the encoder if it is better."""
        self._library_model.report_left_out(left_out)
        before, after = result.before, result.after
        text = (
            f"The encoder was trained on {result.tasks} tasks. Of {after.takes} held-out takes it recognises "
            f"{after.recognised}, before {before.recognised}"
        )
        if not result.is_better:
            self._messages.post(f"{text}. That is no better, so the encoder in use stays.", "info")
            return
        self._messages.post(f"{text}. It is used from now on.", "success", "shipped_encoder")
        self._prior_store.replace_encoder(result.encoder)
        self._background_queue.submit(partial(_save_encoder, self._library_model.library.root, result.encoder))
        self.encoder_changed.emit()

    def _on_reverted(self, encoder: CalibratedEncoder) -> None:
        self._prior_store.replace_encoder(encoder)
        self._messages.post("The shipped encoder is used again. Your takes are unchanged.", "success")
        self.encoder_changed.emit()

    def _on_cancelled(self) -> None:
        self._messages.post(f"{LearningActivity.TRAINING.value} was cancelled; nothing was changed.")


def compute_step_fraction(batch: list[Any]) -> float:
    """Return the fraction done of a job whose progress has ``step`` and ``steps``, from 0 to 1."""
    return float(batch[-1].step / max(batch[-1].steps, 1))


def _save_encoder(library_root: Path, encoder: CalibratedEncoder) -> None:
    """Save an encoder in the library whose takes it was trained on. Raises OSError."""
    from metagui.learning.similarity.cache.encoder_identity import library_encoder_path

    encoder.save(library_encoder_path(library_root))


def _remove_own_encoder(library_root: Path) -> CalibratedEncoder:
    """Delete the library's own encoder; return the shipped one. Raises EncoderFileError and OSError."""
    from metagui.learning.similarity.cache.encoder_identity import library_encoder_path
    from metagui.learning.similarity.encoder_file import load_shipped_encoder

    shipped = load_shipped_encoder()
    library_encoder_path(library_root).unlink(missing_ok=True)
    return shipped
