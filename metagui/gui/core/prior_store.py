"""The prior and the encoder of similar tasks: loads them in the background and holds them for the controllers.

torch is imported in the loading thread: the import takes seconds, and the window has to be visible first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.gui.core.app_state import PRIOR_LOADING
from metagui.gui.core.generator_job import GeneratorJob

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from metagui.arms.arm import SceneObject
    from metagui.gui.core.messages import Messages
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.encoder_file import CalibratedEncoder


_LOADING = "the encoder is still loading"


class PriorStore(QObject):
    """Holds the prior and the encoder, or the reasons why there are none."""

    loaded = Signal()
    """The prior has been loaded, or loading has failed and ``problem`` gives the reason."""

    def __init__(
        self,
        load_prior: Callable[[], Prior],
        load_encoder: Callable[[], CalibratedEncoder],
        joint_names: Sequence[str],
        objects: Sequence[SceneObject],
        messages: Messages,
    ) -> None:
        """Create an empty store for an arm with these joints among these objects."""
        super().__init__()
        self.prior: Prior | None = None
        self.problem: str | None = PRIOR_LOADING
        """Why there is no prior, as the second half of a sentence; None if there is one."""
        self.encoder: CalibratedEncoder | None = None
        self.encoder_problem: str | None = _LOADING
        """Why takes cannot be compared, as the second half of a sentence; None if they can."""
        self._load_prior, self._load_encoder = load_prior, load_encoder
        self._joint_names, self._objects = list(joint_names), objects
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
        from metagui.learning.similarity.encoder_file import EncoderFileError

        warm_up()
        yield
        try:
            self.encoder, self.encoder_problem = self._load_encoder(), None
        except EncoderFileError as error:
            self.encoder_problem = _to_clause(str(error))
        prior = self._load_prior()
        prior.check_compatible(self._joint_names, self._objects)
        return prior

    def _on_loaded(self, prior: Prior) -> None:
        if self._closed:
            return
        self.prior, self.problem = prior, None
        for about in (prior.metadata, self.encoder.about if self.encoder else {}):
            if about.get("problem"):
                self._messages.post(str(about["problem"]))
        self.loaded.emit()

    def _on_failure(self, error: Exception) -> None:
        if self._closed:
            return
        self.problem = _to_clause(str(error))
        if self.encoder is None and self.encoder_problem == _LOADING:
            self.encoder_problem = self.problem
        self._messages.post_error(error)
        self.loaded.emit()

    def replace_encoder(self, encoder: CalibratedEncoder) -> None:
        """Use another encoder, such as one that was trained here."""
        self.encoder, self.encoder_problem = encoder, None

    def close(self) -> None:
        """Wait for the loading thread and ignore its result."""
        if self._job is not None:
            self._closed = True
            self._job.cancel()
            self._job.wait()


def _to_clause(text: str) -> str:
    """Return a sentence in the form of the second half of another one."""
    return (text[:1].lower() + text[1:]).rstrip(".")
