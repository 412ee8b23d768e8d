"""Ranks the tasks by similarity to the take that is being recorded, from its journal, in the background."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from metagui.gui.core.app_state import ArmActivity

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.app_state import AppSnapshot, AppState
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.similarity.comparison import Comparison
    from metagui.gui.similarity.similarity_controller import SimilarityController
    from metagui.learning.similarity.encoder_file import CalibratedEncoder
    from metagui.learning.similarity.similarity import Neighbour

LIVE_PERIOD_MS = 1500
"""Time between the end of one ranking and the begin of the next, ms."""
MIN_LIVE_SAMPLES = 50
"""Number of samples from which a take is ranked: before, it has hardly moved."""


class LiveRank(NamedTuple):
    """How the take being recorded compares so far."""

    neighbours: list[Neighbour]
    """All tasks, most similar first."""
    point: FloatArray
    """Position on the map, (2,)."""


class LiveRanking(QObject):
    """Reads the journal of the take, so that the control thread never waits, and embeds it, one at a time."""

    ranked = Signal(object)
    """LiveRank of the take being recorded; None when the recording has ended."""

    def __init__(
        self,
        arm: ArmController,
        similarity: SimilarityController,
        prior_store: PriorStore,
        library_model: LibraryModel,
        state: AppState,
    ) -> None:
        super().__init__()
        self._recorder, self._similarity, self._prior_store = arm.recorder, similarity, prior_store
        self._library_model = library_model
        self._is_recording = False
        self._timer = QTimer(self, singleShot=True, interval=LIVE_PERIOD_MS)
        self._timer.timeout.connect(self._rank)
        state.changed.connect(self._on_snapshot_changed)

    def _on_snapshot_changed(self, snapshot: AppSnapshot) -> None:
        is_recording = snapshot.state is ArmActivity.RECORDING
        if is_recording == self._is_recording:
            return
        self._is_recording = is_recording
        if is_recording:
            self._timer.start()
        else:
            self._timer.stop()
            self.ranked.emit(None)

    def _rank(self) -> None:
        """Rank what has been recorded up to now; the next ranking follows its end."""
        encoder, comparison = self._prior_store.encoder, self._similarity.comparison
        path, is_long = self._recorder.journal_path, self._recorder.sample_count >= MIN_LIVE_SAMPLES
        if encoder is None or path is None or not len(comparison) or not is_long:
            self._timer.start()
            return
        rank = partial(rank_journal, path, encoder, comparison)
        self._library_model.submit(rank, partial(self._show, path), only_for_window=True)

    def _show(self, path: Path, found: LiveRank | None) -> None:
        if self._is_recording and path == self._recorder.journal_path:
            self._timer.start()
            if found is not None:
                self.ranked.emit(found)


def rank_journal(path: Path, encoder: CalibratedEncoder, comparison: Comparison) -> LiveRank | None:
    """Embed and rank a take by its journal; None if that ended meanwhile, or holds nothing that can be compared."""
    from metagui.demonstrations.recording.recorder import recover_take
    from metagui.demonstrations.recording.take_builder import RecordingError
    from metagui.learning.policy.features import FeatureError
    from metagui.learning.similarity.siamese import embed

    try:
        take = recover_take(path)
        embedding = embed(encoder.encoder, [take])
    except (RecordingError, FeatureError):
        return None
    return LiveRank(comparison.rank_take(embedding), comparison.map_axes.project(embedding.task.astype(np.float64))[0])
