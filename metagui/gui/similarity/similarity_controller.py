"""Similarity of takes for the window: embeds the takes of the library in the background, and ranks tasks.

The comparison follows the library by itself: takes that are new, renamed, restored or changed are embedded, a few at a
time between other background tasks, and those that are gone are left out. Embeddings are stored by the content of the
file, also for the next start, so that nothing is embedded twice, and what the views show is computed in the background,
too.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.similarity.comparison import Comparison
from metagui.gui.similarity.take_embedder import EmbeddedTakes, FileStamp, StampedTakes, TakeEmbedder
from metagui.learning.similarity.embeddings import concatenate_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.library.library_model import LibraryModel
    from metagui.learning.similarity.embeddings import Embeddings
    from metagui.learning.similarity.encoder_file import CalibratedEncoder
    from metagui.learning.similarity.similarity import Neighbour

EMBEDDING_BATCH_SIZE = 8
"""Number of takes embedded in one background task."""
TAKES_PER_UPDATE = 64
"""Number of takes embedded between two updates of the views."""


class SimilarityController(QObject):
    """The comparison of all takes of the library."""

    comparison_changed = Signal(object)
    """TakeKey of the newest take that was embedded, or None."""
    progressed = Signal(int, int)
    """Numbers of takes that are embedded, and of all."""

    def __init__(
        self,
        library_model: LibraryModel,
        background_queue: BackgroundQueue,
        prior_store: PriorStore,
        messages: Messages,
    ) -> None:
        super().__init__()
        self.comparison = Comparison()
        self._library_model, self._background_queue = library_model, background_queue
        self._prior_store, self._messages = prior_store, messages
        self._encoder: CalibratedEncoder | None = None
        """Encoder that ``_embeddings`` are of."""
        self._embedder: TakeEmbedder | None = None
        self._embeddings: dict[FileStamp, Embeddings | None] = {}
        """Embeddings by the content of the take's file; None if it cannot be embedded."""
        self._saved: dict[TakeKey, Embeddings] = {}
        """Embeddings of saved takes whose files have not been listed yet."""
        self._is_running = self._is_wanted_again = False
        library_model.tasks_changed.connect(self.compare_takes)

    # Comparing

    def compare_takes(self) -> bool:
        """Bring the comparison up to date in the background; return False if there is no encoder."""
        encoder = self._prior_store.encoder
        if encoder is None or not encoder.encoder.is_trained:
            return False
        self._is_wanted_again = self._is_running
        if not self._is_running:
            self._is_running = True
            if encoder is not self._encoder or self._embedder is None:
                self._encoder, self._embeddings, self._saved = encoder, {}, {}
                self._embedder = TakeEmbedder(encoder, self._library_model.library)
            work = partial(self._embedder.stamp_takes, [row.name for row in self._library_model.tasks])
            done = partial(self._on_stamped, self._embedder)
            self._background_queue.submit(work, done, self._on_failure, only_for_window=True)
        return True

    def _on_stamped(self, embedder: TakeEmbedder, takes: StampedTakes) -> None:
        self._embeddings |= takes.stored
        for key in [key for key in self._saved if key in takes.stamps]:
            self._embeddings.setdefault(takes.stamps[key], self._saved.pop(key))
        self._embed_next(embedder, takes, 0)

    def _embed_next(self, embedder: TakeEmbedder, takes: StampedTakes, embedded: int) -> None:
        """Embed the next few takes, or update the views; ``embedded`` takes wait for that."""
        missing = {key: stamp for key, stamp in takes.stamps.items() if stamp not in self._embeddings}
        if self._encoder is not self._prior_store.encoder:
            self._begin_again()
        elif not missing or embedded >= TAKES_PER_UPDATE:
            done = self._end if not missing else partial(self._show_part, embedder, takes)
            build = partial(self._build, embedder, takes)
            self._background_queue.submit(build, done, self._on_failure, only_for_window=True)
        else:
            self.progressed.emit(len(takes.stamps) - len(missing), len(takes.stamps))
            batch = dict(itertools.islice(missing.items(), EMBEDDING_BATCH_SIZE))
            work = partial(embedder.embed_takes, batch, takes.paths)
            show = partial(self._on_embedded, embedder, takes, batch, embedded)
            self._background_queue.submit(work, show, self._on_failure, only_for_window=True)

    def _on_embedded(
        self,
        embedder: TakeEmbedder,
        takes: StampedTakes,
        batch: dict[TakeKey, FileStamp],
        embedded: int,
        found: EmbeddedTakes,
    ) -> None:
        self._embeddings.update(dict.fromkeys(batch.values(), None))
        self._embeddings.update(found.embeddings)
        for take in found.takes:
            self._library_model.cache_take(take)
        self._library_model.report_left_out(found.left_out)
        self._embed_next(embedder, takes, embedded + len(batch))

    def _build(self, embedder: TakeEmbedder, takes: StampedTakes) -> Comparison:
        """Store what was embedded; return the comparison of all takes that are. Called in the background."""
        embedder.save(takes.paths.values())
        rows = {key: row for key, stamp in takes.stamps.items() if (row := self._embeddings.get(stamp)) is not None}
        calibration = self._encoder.calibration if self._encoder else None
        if not rows:
            return Comparison(calibration=calibration)
        return Comparison(tuple(rows), concatenate_embeddings(list(rows.values())), calibration).prepare()

    def _show_part(self, embedder: TakeEmbedder, takes: StampedTakes, comparison: Comparison) -> None:
        self._show(comparison, None)
        self._embed_next(embedder, takes, 0)

    def _end(self, comparison: Comparison) -> None:
        self._is_running = False
        if self._is_wanted_again:
            self.compare_takes()
        self.progressed.emit(len(comparison), len(comparison))
        self._show(comparison, None)

    def _begin_again(self) -> None:
        self._is_running = False
        self.compare_takes()

    def _on_failure(self, error: Exception) -> None:
        self._is_running = False
        self._messages.post_error(error)

    def _show(self, comparison: Comparison, newest: TakeKey | None) -> None:
        self.comparison = comparison
        self.comparison_changed.emit(newest)

    # One take

    def embed_take(self, take: Demonstration, on_finished: Callable[[Demonstration, float | None], None]) -> None:
        """Add a saved take to the comparison in the background.

        ``on_finished`` gets the take and its mean distance to the other takes of its task, None where that is unknown;
        it is called in any case, also without an encoder.
        """
        encoder, key, before = self._prior_store.encoder, TakeKey(take.task, take.name), self.comparison
        if encoder is None:
            on_finished(take, None)
            return

        def work() -> Any:
            from metagui.learning.similarity.siamese import embed

            embedding = embed(encoder.encoder, [take])
            return embedding, before.with_take(key, embedding).prepare()

        def show(found: tuple[Embeddings, Comparison]) -> None:
            self._saved[key] = found[0]
            self._show(found[1], key)
            on_finished(take, self.comparison.mean_distance_to_siblings(key))

        def failed(error: Exception) -> None:
            self._messages.post_error(error)
            on_finished(take, None)

        self._background_queue.submit(work, show, failed, only_for_window=True)

    def rank_neighbours(self, task: str) -> tuple[list[Neighbour], str]:
        """Return the other tasks, most similar first, and what the verdicts are based on."""
        ranked, encoder = self.comparison.rank(task), self._prior_store.encoder
        return ranked, encoder.describe_calibration() if ranked and encoder is not None else ""
