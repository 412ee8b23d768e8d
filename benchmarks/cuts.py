"""Count hand-guided takes that are cut as their task is made: ``python -m benchmarks.cuts`` prints a line per person.

A take of the ten tasks of ``benchmarks.people`` is cut right if it has as many segments as the task has instructions.
``--people drawn``: twelve people who hesitate, with habits drawn from ``--seed``, to tune on; ``training``: those that
the prior is trained on; ``held-out`` and ``final``: people on whom nothing is tuned.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from benchmarks.people import TASKS, record_hand_guided
from metagui.demonstrations.people.habits import FINAL_STYLES, HELD_OUT_STYLES, HumanStyle, draw_training_style

DRAWN_PEOPLE = 12
"""Number of people whose habits are drawn."""


def draw_hesitant_style(rng: np.random.Generator, name: str) -> HumanStyle:
    """Draw the habits of a person who is slow and often stops in the middle of a stroke."""
    shortest = rng.uniform(0.3, 0.9)
    return HumanStyle(
        name,
        speed=rng.uniform(0.07, 0.13),
        speed_variation=rng.uniform(0.25, 0.5),
        speed_trend=rng.uniform(-0.4, 0.4),
        aim_error=rng.uniform(0.002, 0.004),
        align_duration=(shortest, shortest + rng.uniform(0.6, 1.8)),
        pause_probability=rng.uniform(0.4, 0.9),
        hesitation_probability=rng.uniform(0.3, 0.7),
        tremor=rng.uniform(0.0008, 0.0018),
        regrasp_probability=rng.uniform(0.0, 0.3),
        travel_height=rng.uniform(0.06, 0.09),
        curvature=rng.uniform(0.05, 0.15),
    )


def list_people(group: str, seed: int) -> tuple[HumanStyle, ...]:
    """Return the people of a group."""
    if group in ("held-out", "final"):
        return HELD_OUT_STYLES if group == "held-out" else FINAL_STYLES
    rng, draw = np.random.default_rng([seed, 77]), draw_hesitant_style if group == "drawn" else draw_training_style
    return tuple(draw(rng, f"{group} {index + 1}") for index in range(DRAWN_PEOPLE))


def count_right(style: HumanStyle, takes: int, seed: int) -> Counter[int]:
    """Return how many takes of all tasks have how many segments too many, negative for too few."""
    return Counter(
        len(take.segments) - len(program.instructions)
        for program in TASKS
        for take in record_hand_guided(program, style, takes, seed)
    )


def main() -> None:
    """Print one line per person, then the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", choices=("drawn", "training", "held-out", "final"), default="held-out")
    parser.add_argument("--takes", type=int, default=3, help="takes of each task")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    total: Counter[int] = Counter()
    for seed in options.seeds:
        for style in list_people(options.people, seed):
            found = count_right(style, options.takes, seed)
            total += Counter(found)
            print(f"{style.name:12} seed {seed}: {found[0]} of {found.total()} right", flush=True)
    more = sum(count for difference, count in total.items() if difference > 0)
    share = 100 * total[0] / total.total()
    print(f"all: {total[0]} of {total.total()} right ({share:.0f} %), {more} with too many segments")


if __name__ == "__main__":
    main()
