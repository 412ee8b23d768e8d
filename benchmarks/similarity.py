"""Evaluation of the encoder of similar tasks: ``python -m benchmarks.similarity [--encoder FILE] [--seed N]``.

200 tasks that it was not trained on, six takes each by the script, in the training set's mixture of families; and 80
tasks, two takes each by every person of whom no take was trained or calibrated on. Prints for each: recall at 1
(whether the nearest other take is of the same task, of the same motion, of the same kind: motion or objects), the areas
under the ROC curves of motion and objects over all pairs of takes, how often the verdicts are wrong, how often a task
is recognised as itself, and the same for people's takes compared with a library of the script's. Dynamic time warping
and the path of the end effector alone, which need no training, are evaluated on fewer takes, since they are slow.

Every task with other hidden parameters is another task in recall. In verdicts, two tasks are the same if a take of one
would pass as a success of the other; the strict rate is printed beside. The script's takes are also evaluated with a
pause of one to three seconds in the middle. ``--cache FILE`` stores the takes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import pickle
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.programs import TRAINING_COUNTS, number_programs
from benchmarks.time_warping import dtw_distance
from metagui.arms.arm import CONTROL_RATE_HZ
from metagui.demonstrations.people.habits import HELD_OUT_STYLES
from metagui.demonstrations.people.training_takes import demonstrate_program_by_hand, segment_as_recorded
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.splits import TRAINED_COMPOSITIONS, has_only_trained_pairs
from metagui.demonstrations.programs.task_distribution import draw_program
from metagui.learning.similarity.embeddings import Distances, Embeddings, concatenate_embeddings, measure_distances
from metagui.learning.similarity.encoder_file import CalibratedEncoder, load_encoder, load_shipped_encoder
from metagui.learning.similarity.encoder_training import PEOPLE, SCRIPT, LabelledTakes, label_program
from metagui.learning.similarity.siamese import embed
from metagui.learning.similarity.trajectory import Trajectories, resample_takes
from metagui.learning.similarity.verdicts import measure_takes_against_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.program import TaskProgram

SIMILARITY_SEED = 4
TASK_COUNT, TAKES_PER_TASK = 200, 6
PEOPLE_TASK_COUNT, TAKES_PER_PERSON, MAX_SCENES = 80, 2, 12
DTW_TASK_COUNT, DTW_TAKES_PER_TASK = 60, 2
PAUSE_RANGE_S = (1.0, 3.0)
PAUSED = "script with pauses"
SAMPLED = ("joint_positions", "joint_velocities", "tool_positions", "tool_yaws", "object_positions", "object_yaws",
           "held", "touched", "command_requested", "command_sent")  # fmt: skip
"""Arrays of a take with one row per sample."""
DistanceMatrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Takes:
    """Takes of one task, in the forms that are evaluated."""

    family: str
    labelled: dict[str, LabelledTakes]
    """By demonstrator; SCRIPT, PAUSED, PEOPLE."""


@dataclass(frozen=True)
class Rows:
    """Takes of many tasks with their labels, take by take (n,)."""

    embeddings: Embeddings
    tasks: NDArray[np.str_]
    motions: NDArray[np.str_]
    objects: NDArray[np.str_]
    families: NDArray[np.str_]


def draw_tasks(count: int, seed: int) -> tuple[TaskProgram, ...]:
    """Draw tasks with different instructions, one sixth of them compositions."""
    rng = np.random.default_rng(seed)
    singles, fractions = list(TRAINING_COUNTS), np.array(list(TRAINING_COUNTS.values())) / sum(TRAINING_COUNTS.values())
    drawn: dict[str, TaskProgram] = {}
    while len(drawn) < count:
        family = str(rng.choice(TRAINED_COMPOSITIONS) if rng.random() < 1 / 6 else rng.choice(singles, p=fractions))
        program = draw_program(rng, family, "", accepts=has_only_trained_pairs)
        drawn.setdefault(repr(program.instructions), program)
    return number_programs(tuple(drawn.values()))


def demonstrate(program: TaskProgram, by_people: bool, seed: int) -> Takes:
    """Return the takes of one program by the script, without and with pauses, or by people."""
    if by_people:
        takes = {PEOPLE: record_people(program, seed)}
    else:
        plain = generate_takes(program, GenerationSettings(TAKES_PER_TASK, seed))
        rng = np.random.default_rng([seed, zlib.crc32(program.name.encode())])
        takes = {SCRIPT: plain, PAUSED: [insert_pause(take, rng) for take in plain]}
    labels = label_program(program)
    found = {name: LabelledTakes(labels, name, resample_takes(each)) for name, each in takes.items() if each}
    return Takes(program.family, found)


def record_people(program: TaskProgram, seed: int) -> list[Demonstration]:
    """Return takes of one program by every person on whom nothing was tuned, segmented as after recording."""
    rng = np.random.default_rng([seed, 3, zlib.crc32(program.name.encode())])
    takes: list[Demonstration] = []
    for style in HELD_OUT_STYLES:
        scenes = (int(scene) for scene in rng.integers(2**31, size=MAX_SCENES))
        found = (demonstrate_program_by_hand(program, style, scene) for scene in scenes)
        takes += itertools.islice((take for take in found if take is not None), TAKES_PER_PERSON)
    return segment_as_recorded(takes) if takes else []


def insert_pause(take: Demonstration, rng: np.random.Generator) -> Demonstration:
    """Return a take in which the arm stands still for a while in the middle."""
    at, count = int(rng.uniform(0.2, 0.8) * len(take)), round(rng.uniform(*PAUSE_RANGE_S) * CONTROL_RATE_HZ)
    rows = np.concatenate([np.arange(at), np.full(count, at), np.arange(at, len(take))])
    segments = tuple(
        replace(each, start=each.start + count * (each.start > at), stop=each.stop + count * (each.stop > at))
        for each in take.segments
    )
    arrays = {name: getattr(take, name)[rows] for name in SAMPLED}
    return replace(take, time=np.arange(len(rows)) / CONTROL_RATE_HZ, segments=segments, states=None, **arrays)


def generate(options: argparse.Namespace) -> list[Takes]:
    """Return the takes of all tasks, from the cache if there is one."""
    if options.cache and options.cache.is_file():
        return list(pickle.loads(options.cache.read_bytes()))
    script, people = draw_tasks(TASK_COUNT, options.seed), draw_tasks(PEOPLE_TASK_COUNT, options.seed + 100)
    jobs = [(each, False) for each in script] + [(each, True) for each in people]
    with ProcessPoolExecutor(options.workers or os.cpu_count()) as pool:
        seeds = itertools.repeat(options.seed)
        found = list(pool.map(demonstrate, *zip(*jobs, strict=True), seeds))
    if options.cache:
        options.cache.write_bytes(pickle.dumps(found))
    return found


def make_rows(encoder: CalibratedEncoder, takes: Sequence[Takes], name: str) -> Rows:
    """Return all takes by one demonstrator."""
    parts = [(each.labelled[name], each.family) for each in takes if name in each.labelled]
    counts = [len(each.takes) for each, _ in parts]
    columns = zip(*(each.labels for each, _ in parts), strict=True)
    labels = [np.repeat(np.array([str(value) for value in column]), counts) for column in columns]
    vectors = concatenate_embeddings([embed(encoder.encoder, each.takes) for each, _ in parts])
    families = np.repeat(np.array([family for _, family in parts]), counts)
    return Rows(vectors, labels[0], labels[1], labels[2], families)


def print_retrieval(name: str, distances: Distances | DistanceMatrix, rows: Rows, library: Rows) -> None:
    """Print recall and areas of the distances from takes to those of a library."""
    matrix = distances.task if isinstance(distances, Distances) else distances
    if rows is library:
        matrix = matrix + np.diag(np.full(len(matrix), np.inf))
    nearest = matrix.argmin(axis=1)
    task = rows.tasks == library.tasks[nearest]
    motion, objects = rows.motions == library.motions[nearest], rows.objects == library.objects[nearest]
    text = (
        f"{name:28} {len(set(library.tasks.tolist()))} tasks, {len(matrix)} takes: recall@1 {task.mean():.1%}, same "
        f"motion {motion.mean():.1%}, same kind {(motion | objects).mean():.1%}"
    )
    if isinstance(distances, Distances) and rows is library:
        above = np.triu_indices(len(matrix), 1)
        areas = [
            compute_auroc(each[above], (labels[:, None] == labels)[above])
            for each, labels in ((distances.motion, rows.motions), (distances.objects, rows.objects))
        ]
        text += f", AUROC of motion {areas[0]:.4f}, of objects {areas[1]:.4f}"
    print(text, flush=True)


def print_recall_by_family(distances: Distances, rows: Rows) -> None:
    """Print recall at 1 of every family, the lowest first."""
    nearest = (distances.task + np.diag(np.full(len(distances.task), np.inf))).argmin(axis=1)
    right = rows.tasks[nearest] == rows.tasks
    rates = sorted((float(right[rows.families == f].mean()), str(f)) for f in set(rows.families.tolist()))
    print("    by family: " + ", ".join(f"{family} {rate:.0%}" for rate, family in rates), flush=True)


def compute_auroc(distances: DistanceMatrix, same: Flags) -> float:
    """Return the fraction of (same, different) pairs of pairs in which the same task is nearer."""
    ranks = np.empty(len(distances))
    ranks[np.argsort(distances)] = np.arange(1, len(distances) + 1)
    won = ranks[~same].sum() - (~same).sum() * ((~same).sum() + 1) / 2
    return float(won / (same.sum() * (~same).sum()))


def print_verdicts(name: str, encoder: CalibratedEncoder, takes: Sequence[Takes], queries: str, library: str) -> None:
    """Print how often the verdicts on takes against the tasks of a library are wrong, with the number of verdicts."""
    if encoder.calibration is None:
        return
    stored = {each.labelled[library].labels.task: each.labelled[library] for each in takes if library in each.labelled}
    asked = {each.labelled[queries].labels.task: each.labelled[queries] for each in takes if queries in each.labelled}
    labels = {task: each.labels for task, each in (stored | asked).items()}
    vectors = {task: embed(encoder.encoder, each.takes) for task, each in stored.items()}
    own = vectors if queries == library else {t: embed(encoder.encoder, each.takes) for t, each in asked.items()}
    pairs = measure_takes_against_tasks(own, vectors, labels)
    calibration = encoder.calibration
    same, different = calibration.grades(pairs.distances)
    kind, related = ~same & ~different, pairs.kind | pairs.same
    p, q = calibration.task.probability(pairs.distances.task), calibration.kind_probability(pairs.distances)
    own_task = pairs.identical
    print(
        f"    verdicts, {name}: same wrong {_rate(~pairs.same, same)} (strictly {_rate(~own_task, same)}), different "
        f"wrong {_rate(related, different)}, same kind wrong {_rate(~related, kind)}; a take's own task is called same "
        f"in {same[own_task].mean():.0%}, different in {different[own_task].mean():.1%}, tasks of one kind are called "
        f"so in {(~different)[related].mean():.0%}; Brier scores {np.mean((p - pairs.same) ** 2):.4f} (same), "
        f"{np.mean((q - related) ** 2):.4f} (kind)",
        flush=True,
    )


def _rate(wrong: Flags, said: Flags) -> str:
    """Return the rate of wrong verdicts with their number."""
    return f"{wrong[said].mean() if said.any() else 0.0:.1%} of {said.sum()}"


def print_baselines(takes: Sequence[Takes], rows: Rows) -> None:
    """Print dynamic time warping on the first takes of some tasks, with all channels and with the end effector's."""
    parts = [each.labelled[SCRIPT].takes[np.arange(DTW_TAKES_PER_TASK)] for each in takes if SCRIPT in each.labelled]
    few = parts[:DTW_TASK_COUNT]
    index = np.concatenate([np.arange(DTW_TAKES_PER_TASK) + TAKES_PER_TASK * i for i in range(len(few))])
    some = Rows(rows.embeddings[index], *(x[index] for x in (rows.tasks, rows.motions, rows.objects, rows.families)))
    print_retrieval("encoder", measure_distances(some.embeddings, some.embeddings), some, some)
    series = [each[np.array([i])] for each in few for i in range(len(each))]
    for name, tool_only in (("time warping", False), ("end effector only", True)):
        print_retrieval(name, compute_dtw_distances(series, tool_only), some, some)


def compute_dtw_distances(series: Sequence[Trajectories], end_effector_only: bool) -> DistanceMatrix:
    """Return the distances (n, n) by dynamic time warping."""
    found = np.zeros((len(series), len(series)))
    for i, j in itertools.combinations(range(len(series)), 2):
        found[i, j] = found[j, i] = dtw_distance(series[i], series[j], end_effector_only)
    return found


def main() -> None:
    """Evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, help="an encoder of metagui train-encoder; the shipped one by default")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--seed", type=int, default=SIMILARITY_SEED, help="seed of the tasks and takes")
    parser.add_argument("--quick", action="store_true", help="skip time warping")
    options = parser.parse_args()
    encoder = load_encoder(options.encoder) if options.encoder else load_shipped_encoder()
    print(f"encoder: {encoder.about.get('command', '')}; tasks and takes of seed {options.seed}")
    takes = generate(options)
    names = {SCRIPT: "script", PAUSED: PAUSED, PEOPLE: "held-out people"}
    found = {name: make_rows(encoder, takes, name) for name in names}
    for name in (SCRIPT, PEOPLE):
        distances = measure_distances(found[name].embeddings, found[name].embeddings)
        print_retrieval(names[name], distances, found[name], found[name])
        print_recall_by_family(distances, found[name])
        print_verdicts(names[name], encoder, takes, name, name)
    for query, library in ((PAUSED, SCRIPT),):
        distances = measure_distances(found[query].embeddings, found[library].embeddings)
        print_retrieval(f"{names[query]} to script", hide_originals(distances), found[query], found[library])
        print_verdicts(f"{names[query]} to script", encoder, takes, query, library)
    if not options.quick:
        print_baselines(takes, found[SCRIPT])


def hide_originals(distances: Distances) -> Distances:
    """Return the distances (n, n) with those of each paused take to the take it was made from set to infinity."""
    return replace(distances, task=distances.task + np.diag(np.full(len(distances.task), np.inf)))


if __name__ == "__main__":
    main()
