"""The prior that all learning starts from: loads it in the background and holds it for the learning controllers.

torch is imported in the loading thread: the import takes seconds, and the window has to be visible first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.generator_job import GeneratorJob

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from metagui.arms.arm import SceneObject
    from metagui.gui.core.messages import Messages
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.siamese import SiameseEncoder


class PriorStore(QObject):
    """Holds the prior, or the reason why there is none."""

    loaded = Signal()
    """The prior has been loaded, or loading has failed and ``problem`` gives the reason."""

    def __init__(
        self,
        load_prior: Callable[[], Prior],
        joint_names: Sequence[str],
        objects: Sequence[SceneObject],
        messages: Messages,
    ) -> None:
        """Create an empty store for an arm with these joints among these objects."""
        super().__init__()
        self.prior: Prior | None = None
        self.problem: str | None = "the prior is still loading"
        """Why there is no prior, as the second half of a sentence; None if there is one."""
        self.encoder_problem: str | None = "the encoder is still loading"
        """Why takes cannot be compared, as the second half of a sentence; None if they can."""
        self._load_prior, self._joint_names, self._objects = load_prior, list(joint_names), objects
        self._messages = messages
        self._job: GeneratorJob | None = None
        self._closed = False

    def load(self) -> None:
        """Load the prior and warm up the learning code in a thread; ``loaded`` follows."""
        self._job = job = GeneratorJob(self._load_and_warm_up)
        job.succeeded.connect(self._on_loaded)
        job.failed.connect(self._on_failure)
        job.start()

    def _load_and_warm_up(self, _should_stop: Callable[[], bool]) -> Generator[None, None, Prior]:
        from metagui.learning.adaptation.adaptation import warm_up

        warm_up()
        yield
        prior = self._load_prior()
        prior.check_compatible(self._joint_names, self._objects)
        return prior

    def _on_loaded(self, prior: Prior) -> None:
        if self._closed:
            return
        self.prior, self.problem = prior, None
        if prior.metadata.get("problem"):
            self._messages.post(str(prior.metadata["problem"]))
        self.encoder_problem = None if prior.siamese_encoder.is_trained else "the encoder is not trained yet"
        self.loaded.emit()

    def _on_failure(self, error: Exception) -> None:
        if self._closed:
            return
        self.problem = self.encoder_problem = _to_clause(str(error))
        self._messages.post_error(error)
        self.loaded.emit()

    def replace_encoder(self, encoder: SiameseEncoder) -> None:
        """Use an encoder that was trained here; the calibration shipped with the prior does not apply to it."""
        if self.prior is not None:
            metadata = self.prior.metadata | {"calibration": None}
            self.prior = replace(self.prior, siamese_encoder=encoder, metadata=metadata)
            self.encoder_problem = None

    def close(self) -> None:
        """Wait for the loading thread and ignore its result."""
        if self._job is not None:
            self._closed = True
            self._job.cancel()
            self._job.wait()


def _to_clause(text: str) -> str:
    """Return a sentence in the form of the second half of another one."""
    return (text[:1].lower() + text[1:]).rstrip(".")
