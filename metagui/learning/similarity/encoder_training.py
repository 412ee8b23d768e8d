"""Trains the encoder that ships with the program, and calibrates its verdicts on tasks that it was not trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.similarity import siamese
from metagui.learning.similarity.encoder_file import CalibratedEncoder
from metagui.learning.similarity.trajectory import Trajectories, concatenate_trajectories
from metagui.learning.similarity.verdicts import LabelledDistances, calibrate, join_pairs, measure_takes_against_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from metagui.learning.similarity.labelled_takes import LabelledTakes
    from metagui.learning.similarity.siamese import SiameseSettings, SiameseStep

HELD_OUT_FRACTION = 0.12
"""Fraction of the tasks on which the verdicts are calibrated."""


def train_calibrated_encoder(
    takes: Sequence[LabelledTakes],
    settings: SiameseSettings,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[SiameseStep, None, CalibratedEncoder]:
    """Train on most tasks, and calibrate on the others, with every demonstrator by itself. Raises SiameseError."""
    labels = {each.labels.task: each.labels for each in takes}
    names = sorted(labels)
    order = np.random.default_rng(settings.seed).permutation(len(names))
    held_out = {names[index] for index in order[: int(len(names) * HELD_OUT_FRACTION)]}
    training: dict[str, list[Trajectories]] = {}
    for each in takes:
        if each.labels.task not in held_out:
            training.setdefault(each.labels.task, []).append(each.takes)
    joined = {name: concatenate_trajectories(parts) for name, parts in training.items()}
    encoder = yield from siamese.train(joined, settings, None, should_stop, labels)
    found = CalibratedEncoder(encoder).to_half_precision()
    judged = [each for each in takes if each.labels.task in held_out]
    return calibrate_encoder(found, judged)


def calibrate_encoder(found: CalibratedEncoder, takes: Sequence[LabelledTakes]) -> CalibratedEncoder:
    """Return the encoder with a calibration on ``takes`` of tasks that it was not trained on."""
    by_demonstrator: dict[str, dict[str, LabelledTakes]] = {}
    for each in takes:
        by_demonstrator.setdefault(each.demonstrator, {})[each.labels.task] = each
    if not takes:
        return found
    pairs = join_pairs([measure_pairs(found, list(library.values())) for library in by_demonstrator.values()])
    return replace(found, calibration=calibrate(pairs, len({each.labels.task for each in takes})))


def measure_pairs(found: CalibratedEncoder, takes: Sequence[LabelledTakes]) -> LabelledDistances:
    """Return the distances of every take to every task of these, with what is true of each pair."""
    library = {each.labels.task: siamese.embed(found.encoder, each.takes) for each in takes}
    return measure_takes_against_tasks(library, library, {each.labels.task: each.labels for each in takes})
