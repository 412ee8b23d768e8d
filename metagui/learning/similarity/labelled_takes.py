"""Takes to train and evaluate the Siamese encoder with: generated from task programs, by the script and by people."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.arms.simulation.scene import SCENE_OBJECTS
from metagui.demonstrations.people.training_takes import PeopleSettings, generate_people_takes
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning.similarity.task_labels import TaskLabels, label_instructions
from metagui.learning.similarity.trajectory import Trajectories, resample_takes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.demonstrations.programs.program import TaskProgram

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
    workers = min(settings.workers or os.cpu_count() or 1, len(programs))
    if workers <= 1:
        yield from map(_generate, programs, itertools.repeat(settings))
        return
    with ProcessPoolExecutor(workers) as pool:
        try:
            yield from pool.map(_generate, programs, itertools.repeat(settings))
        finally:
            pool.shutdown(cancel_futures=True)


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
