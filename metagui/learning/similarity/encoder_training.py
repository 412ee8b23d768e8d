"""Trains the encoder that ships with the program, on takes by the script and by people, and calibrates its verdicts."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.demonstrations.people.training_takes import PeopleSettings, generate_people_takes
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning.similarity import siamese
from metagui.learning.similarity.encoder_file import CalibratedEncoder
from metagui.learning.similarity.task_labels import TaskLabels, label_instructions
from metagui.learning.similarity.trajectory import Trajectories, concatenate_trajectories, resample_takes
from metagui.learning.similarity.verdicts import LabelledDistances, calibrate, join_pairs, measure_takes_against_tasks
from metagui.learning.torch_utils.process_group import open_group
from metagui.learning.torch_utils.work_queue import map_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.similarity.siamese import SiameseSettings, SiameseStep

HELD_OUT_FRACTION = 0.12
"""Fraction of the tasks on which the verdicts are calibrated."""
SCRIPT, PEOPLE = "script", "people"
"""Kinds of demonstrators."""


@dataclass(frozen=True)
class LabelledTakes:
    """Takes of one task by one kind of demonstrator."""

    labels: TaskLabels
    demonstrator: str
    takes: Trajectories


@dataclass(frozen=True)
class TakeSettings:
    """What is generated for every program."""

    takes: int = 4
    """Number of takes by the script."""
    people: int = 3
    """Number of takes by a simulated person."""
    prefix_fraction: float = 0.5
    """Fraction of the takes that start after unrecorded random motion."""
    seed: int = 0
    workers: int | None = None
    """Number of processes; None for one per core."""


def generate_labelled_takes(
    programs: Sequence[TaskProgram], settings: TakeSettings
) -> Iterator[tuple[LabelledTakes, ...]]:
    """Yield the takes of every program, in order. Raises ImpossibleProgramError."""
    with open_group(min(settings.workers or os.cpu_count() or 1, len(programs))) as group:
        yield from map_in_order(group, partial(_generate, settings=settings), programs)


def label_program(program: TaskProgram) -> TaskLabels:
    """Return the labels of a program for the simulated scene."""
    return label_instructions(program.instructions, {each.name: each.kind for each in SCENE_OBJECTS})


def _generate(program: TaskProgram, settings: TakeSettings) -> tuple[LabelledTakes, ...]:
    """Return the takes of one program by every kind of demonstrator that achieved it."""
    by_script = generate_takes(program, GenerationSettings(settings.takes, settings.seed, settings.prefix_fraction))
    by_people = generate_people_takes(
        program, PeopleSettings(settings.people, settings.seed, settings.prefix_fraction, slow_script_fraction=0.1)
    )
    labels = label_program(program)
    return tuple(
        LabelledTakes(labels, name, resample_takes(takes))
        for name, takes in ((SCRIPT, by_script), (PEOPLE, by_people))
        if takes
    )


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
