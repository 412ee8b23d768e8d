"""The example takes as training data, for the tests of learning."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.demonstrations.people.training_takes import PeopleSettings, generate_people_takes
from metagui.learning.policy.dataset import build_dataset
from metagui.learning.policy.features import encode
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import sample_points
from metagui.learning.training.training_data import encode_people
from tests.helpers.takes import EXAMPLE_PROGRAMS, generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.learning.policy.dataset import MetaDataset


@functools.cache
def encode_example_takes() -> MetaDataset:
    """Return the data set of all programs' takes."""
    return build_dataset({task: [encode(take) for take in takes] for task, takes in generate_example_takes().items()})


def sample_example_points(order: Sequence[int] | None = None) -> Points:
    """Return 24 points of one task from three takes of a grasp, with the objects in another order if given."""
    segments = [encode(take)[0] for take in generate_example_takes()["put red on violet"]]
    object_features, *rest = sample_points(segments, 24, np.random.default_rng(0))
    object_features = object_features if order is None else object_features[:, order]
    return Points(*(torch.from_numpy(column)[None] for column in (object_features, *rest)))


@functools.cache
def encode_example_people() -> MetaDataset:
    """Return the data set of takes of the same programs by simulated people."""
    settings = PeopleSettings(takes=3, seed=5, slow_script_fraction=0.0)
    takes = [take for program in EXAMPLE_PROGRAMS for take in generate_people_takes(program, settings)]
    people = encode_people(takes, encode_example_takes().task_names)
    assert people is not None
    return people
