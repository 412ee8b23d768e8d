"""Evaluation of the shipped Siamese encoder: ``python -m benchmarks.similarity [--prior FILE]``.

200 tasks that it was not trained on, six takes each, in the training set's mixture of families. Prints: recall at 1
(whether the nearest other take is of the same task, and of the same family), the area under the ROC curve over all
pairs of takes, and the rate of wrong verdicts if they are calibrated on one half of the tasks and used on the other.
Dynamic time warping, which needs no training, is evaluated on fewer takes, since it is slow. Tasks that differ only in
hidden parameters count as different in recall and AUROC, and as neither in verdicts. ``--cache FILE`` stores the takes,
which take three minutes to generate.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.programs import TRAINING_COUNTS, number_programs
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library
from metagui.demonstrations.programs.splits import TRAINED_COMPOSITIONS, has_only_trained_pairs
from metagui.demonstrations.programs.task_distribution import draw_program
from metagui.learning import prior as priors
from metagui.learning.similarity import similarity
from metagui.learning.similarity.siamese import embed
from metagui.learning.similarity.trajectory import Trajectories, resample_takes

if TYPE_CHECKING:
    from metagui.demonstrations.programs.program import TaskProgram

SIMILARITY_SEED = 4
TASK_COUNT, TAKES_PER_TASK = 200, 6
DTW_TASK_COUNT, DTW_TAKES_PER_TASK = 60, 2
DistanceMatrix = NDArray[np.float64]


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


def load_or_generate_takes(
    programs: tuple[TaskProgram, ...], cache: Path | None, workers: int | None, seed: int
) -> Trajectories:
    """Return all takes as trajectories, task by task."""
    if cache and cache.is_file():
        with np.load(cache) as file:
            return Trajectories(file["anchors"], file["globals"], file["durations"])
    settings = GenerationSettings(takes=TAKES_PER_TASK, seed=seed, workers=workers)
    trajectories = resample_takes([take for _, takes in generate_library(programs, settings) for take in takes])
    if cache:
        np.savez(
            cache,
            anchors=trajectories.object_channels,
            globals=trajectories.global_channels,
            durations=trajectories.log_durations,
        )
    return trajectories


def print_retrieval(
    name: str, distances: DistanceMatrix, labels: NDArray[np.int64], families: NDArray[np.str_]
) -> None:
    """Print recall and AUROC of the distances (n, n) between takes."""
    others = distances + np.diag(np.full(len(distances), np.inf))
    nearest = others.argmin(axis=1)
    recall, family = np.mean(labels[nearest] == labels), np.mean(families[nearest] == families)
    above = np.triu_indices(len(labels), 1)
    same = (labels[:, None] == labels)[above]
    within = same | (families[:, None] == families)[above]
    print(
        f"{name:14} {len(set(labels.tolist()))} tasks x {len(labels) // len(set(labels.tolist()))}: recall@1 "
        f"{recall:.1%}, family {family:.1%}, AUROC {compute_auroc(distances[above], same):.4f}, within a family "
        f"{compute_auroc(distances[above][within], same[within]):.4f}",
        flush=True,
    )


def print_recall_by_family(distances: DistanceMatrix, labels: NDArray[np.int64], families: NDArray[np.str_]) -> None:
    """Print recall at 1 of every family, the lowest first."""
    nearest = (distances + np.diag(np.full(len(distances), np.inf))).argmin(axis=1)
    right = labels[nearest] == labels
    rates = sorted((float(right[families == f].mean()), str(f)) for f in set(families.tolist()))
    print("recall@1 by family: " + ", ".join(f"{family} {rate:.0%}" for rate, family in rates), flush=True)


def compute_auroc(distances: DistanceMatrix, same: NDArray[np.bool_]) -> float:
    """Return the fraction of (same, different) pairs of pairs in which the same task is nearer."""
    ranks = np.empty(len(distances))
    ranks[np.argsort(distances)] = np.arange(1, len(distances) + 1)
    won = ranks[~same].sum() - (~same).sum() * ((~same).sum() + 1) / 2
    return float(won / (same.sum() * (~same).sum()))


def print_verdict_errors(
    embeddings: NDArray[np.float32], programs: tuple[TaskProgram, ...], rng: np.random.Generator
) -> None:
    """Print the rates of wrong verdicts on tasks not used for calibration, over ten random splits."""
    names = [program.name for program in programs]
    group_labels = {p.name: repr([(c.action, c.object_name, c.target_name) for c in p.instructions]) for p in programs}
    library = {name: embeddings[TAKES_PER_TASK * i : TAKES_PER_TASK * (i + 1)] for i, name in enumerate(names)}
    rates = []
    for _ in range(10):
        order = rng.permutation(names)
        fitted, tested = ({n: library[n] for n in part} for part in np.array_split(order, 2))
        calibration = similarity.calibrate(fitted, group_labels)
        assert calibration is not None
        same, different = similarity.leave_one_out_distances(tested, group_labels)
        _, all_others = similarity.leave_one_out_distances(tested)
        is_similar = same <= calibration.similar_below
        wrong, strictly = (np.sum(d <= calibration.similar_below) for d in (different, all_others))
        rates.append((
            wrong / (wrong + is_similar.sum()), strictly / (strictly + is_similar.sum()), is_similar.mean(),
            np.mean(same >= calibration.new_above), np.mean(different.min(axis=1) >= calibration.new_above),
        ))  # fmt: skip
    similar, strict, certain, new, found = np.mean(rates, axis=0)
    print(
        f"verdicts: 'similar' wrong {similar:.1%} ({strict:.1%} if tasks with other hidden parameters count as "
        f"wrong), returned for {certain:.0%} of the takes' own tasks; 'new' wrong {new:.1%}, returned for {found:.0%} "
        "of new tasks' takes"
    )


def main() -> None:
    """Evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--workers", type=int)
    parser.add_argument(
        "--seed",
        type=int,
        default=SIMILARITY_SEED,
        help="seed of the tasks; results are reported on another seed than development used",
    )
    parser.add_argument("--quick", action="store_true", help="skip time warping")
    options = parser.parse_args()
    prior = priors.load(options.prior) if options.prior else priors.load_shipped()
    programs = draw_tasks(TASK_COUNT, options.seed)
    trajectories = load_or_generate_takes(programs, options.cache, options.workers, options.seed)
    labels = np.repeat(np.arange(TASK_COUNT), TAKES_PER_TASK)
    families = np.array([program.family for program in programs])[labels]
    embeddings = embed(prior.siamese_encoder, trajectories)
    print_retrieval("encoder", similarity.euclidean_distances(embeddings, embeddings), labels, families)
    print_recall_by_family(similarity.euclidean_distances(embeddings, embeddings), labels, families)
    print_verdict_errors(embeddings, programs, np.random.default_rng(options.seed))
    if options.quick:
        return
    few = np.flatnonzero((labels < DTW_TASK_COUNT) & (np.arange(len(labels)) % TAKES_PER_TASK < DTW_TAKES_PER_TASK))
    print_retrieval(
        "encoder", similarity.euclidean_distances(embeddings[few], embeddings[few]), labels[few], families[few]
    )
    print_retrieval("time warping", compute_dtw_distances(trajectories, few), labels[few], families[few])


def compute_dtw_distances(trajectories: Trajectories, rows: NDArray[np.int64]) -> DistanceMatrix:
    """Return the distances (n, n) by dynamic time warping."""
    found = np.zeros((len(rows), len(rows)))
    for i, j in itertools.combinations(range(len(rows)), 2):
        found[i, j] = found[j, i] = similarity.dtw_distance(
            trajectories[rows[i : i + 1]], trajectories[rows[j : j + 1]]
        )
    return found


if __name__ == "__main__":
    main()
