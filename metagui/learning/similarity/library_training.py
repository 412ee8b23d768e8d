"""Trains the encoder further on the takes of a library, and judges the result on takes that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.similarity import siamese
from metagui.learning.similarity.embeddings import Embeddings, concatenate_embeddings, measure_distances
from metagui.learning.similarity.encoder_file import OWN_KEY
from metagui.learning.similarity.siamese import SiameseError, SiameseSettings
from metagui.learning.similarity.task_labels import label_take
from metagui.learning.similarity.trajectory import resample_takes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.similarity.encoder_file import CalibratedEncoder
    from metagui.learning.similarity.siamese import SiameseStep
    from metagui.learning.similarity.trajectory import Trajectories

MIN_TAKES = 3
"""Minimum number of takes of a task of which one is held out."""
LIBRARY_SETTINGS = SiameseSettings(steps=600, lr=4e-4)
"""Hyperparameters of training that starts from a trained encoder."""


@dataclass(frozen=True)
class HeldOutScore:
    """How well an encoder recognises the held-out takes of a library."""

    takes: int
    """Number of held-out takes."""
    recognised: int
    """Number of them whose nearest task is their own."""
    margin: float
    """Mean of the distance to the nearest other task minus that to their own."""

    @property
    def order(self) -> tuple[int, float]:
        """The better of two scores has the greater order."""
        return self.recognised, round(self.margin, 3)


@dataclass(frozen=True)
class LibraryTraining:
    """Result of training on a library."""

    encoder: CalibratedEncoder
    """The trained encoder, whether or not it is better."""
    before: HeldOutScore
    after: HeldOutScore
    tasks: int
    """Number of tasks that were trained on."""

    @property
    def is_better(self) -> bool:
        """True if the held-out takes are recognised better than before."""
        return self.after.order > self.before.order


def train_on_library(
    takes: Mapping[str, Sequence[Demonstration]],
    start: CalibratedEncoder,
    should_stop: Callable[[], bool] = lambda: False,
    settings: SiameseSettings = LIBRARY_SETTINGS,
) -> Generator[SiameseStep, None, LibraryTraining]:
    """Train on all takes but the last of every task with three or more. Raises SiameseError and FeatureError."""
    series = {task: resample_takes(each) for task, each in takes.items() if each}
    held_out = {task: each[np.array([len(each) - 1])] for task, each in series.items() if len(each) >= MIN_TAKES}
    if not held_out or len(series) < 2:
        raise SiameseError(
            "Training needs two tasks, one of them with three takes: two to learn from and one to judge the result. "
            "Nothing was changed; record more."
        )
    training = {task: each[np.arange(len(each) - (task in held_out))] for task, each in series.items()}
    labels = {task: label_take(each[0])._replace(task=task) for task, each in takes.items() if each}
    before = score_held_out(start, training, held_out)
    trained = yield from siamese.train(training, settings, start.encoder, should_stop, labels)
    found = replace(start, encoder=trained, about={OWN_KEY: f"{len(training)} tasks of the library"})
    return LibraryTraining(found, before, score_held_out(found, training, held_out), len(training))


def score_held_out(
    encoder: CalibratedEncoder, library: Mapping[str, Trajectories], held_out: Mapping[str, Trajectories]
) -> HeldOutScore:
    """Return how well the takes held out of a library's tasks are recognised."""
    names = list(library)
    means = concatenate_embeddings([siamese.embed(encoder.encoder, library[task]).mean() for task in names])
    recognised, margins, count = 0, list[float](), 0
    for task, takes in held_out.items():
        found: Embeddings = siamese.embed(encoder.encoder, takes)
        for distances in measure_distances(found, means).task:
            own = distances[names.index(task)]
            nearest = np.delete(distances, names.index(task)).min()
            recognised, count = recognised + int(own < nearest), count + 1
            margins.append(float(nearest - own))
    return HeldOutScore(count, recognised, float(np.mean(margins)))
