"""Tests of training the encoder on a library: held-out takes judge it, and too few takes are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.generators import run_to_end
from metagui.learning.similarity.encoder_file import CalibratedEncoder, load_shipped_encoder
from metagui.learning.similarity.library_training import (
    LIBRARY_SETTINGS,
    HeldOutScore,
    LibraryTraining,
    score_held_out,
    train_on_library,
)
from metagui.learning.similarity.siamese import SiameseError
from metagui.learning.similarity.siamese_network import SiameseEncoder
from metagui.learning.similarity.trajectory import resample_takes
from tests.helpers.takes import generate_example_takes

QUICK = replace(LIBRARY_SETTINGS, steps=6, lr=1.5e-3, tasks_per_batch=6)


def test_held_out_takes_judge_the_encoders_before_and_after() -> None:
    takes = generate_example_takes()
    start = CalibratedEncoder(SiameseEncoder(width=16).initialise(0))
    result = run_to_end(train_on_library(takes, start, settings=QUICK))
    assert (result.tasks, result.before.takes, result.after.takes) == (6, 6, 6)
    assert result.encoder.is_own
    assert not start.is_own
    series = {task: resample_takes(each) for task, each in takes.items()}
    training, held_out = ({task: each[np.array(rows)] for task, each in series.items()} for rows in ([0, 1], [2]))
    assert score_held_out(start, training, held_out) == result.before
    assert score_held_out(result.encoder, training, held_out) == result.after != result.before


def test_training_that_changes_nothing_is_no_better() -> None:
    start = load_shipped_encoder()
    still = replace(QUICK, steps=2, lr=0.0)
    result = run_to_end(train_on_library(generate_example_takes(), start, settings=still))
    assert not result.is_better
    assert result.encoder.calibration == start.calibration


def test_better_means_more_takes_recognised_then_a_wider_margin() -> None:
    low, wide, high = HeldOutScore(9, 6, 0.4), HeldOutScore(9, 6, 0.5), HeldOutScore(9, 7, 0.1)
    encoder = CalibratedEncoder()
    assert LibraryTraining(encoder, low, high, 3).is_better
    assert LibraryTraining(encoder, low, wide, 3).is_better
    assert not LibraryTraining(encoder, high, wide, 3).is_better
    assert not LibraryTraining(encoder, low, low, 3).is_better


def test_too_few_takes_are_refused_with_what_is_needed() -> None:
    found = generate_example_takes()
    start = load_shipped_encoder()
    for takes in ({"circle": found["circle"]}, {name: each[:2] for name, each in found.items()}, {}):
        with pytest.raises(SiameseError, match="one of them with three takes"):
            next(train_on_library(takes, start))
