"""Is a take that does not belong named, and is success without it as good? ``python -m benchmarks.odd_takes``.

For validation programs of every single family three takes are shown: all right, or the third one wrong, in three ways:
a take of another task, the same task done to another thing, or a right take shaken as by an unsteady hand. Printed are
how often exactly that take is named, and the success of what was adapted to all three and to the two right ones.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import forward
from metagui.cli.output import follow
from metagui.demonstrations.programs.program import ClickProgram, load_programs
from metagui.demonstrations.programs.scripted import GenerateSettings, ImpossibleProgramError, takes_of
from metagui.demonstrations.programs.task_distribution import CUBES, FAMILIES
from metagui.learning import prior as priors
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.evaluation.evaluation import run_in_scene
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.adapted_task import AdaptedTask
    from metagui.learning.prior import Prior

SHAKE = 0.04
"""Amplitude of the unsteady hand at every joint, rad: about a centimetre at the tool."""


def shaken(take: Demonstration, rng: np.random.Generator) -> Demonstration:
    """Return the take as if the hand had shaken, at 0.8 to 3 Hz."""
    time = np.arange(len(take)) / 50.0
    joints, asked = take.joint_positions.copy(), take.command_asked.copy()
    for joint in range(joints.shape[1] - 1):
        waves = [rng.normal() * np.sin(2 * np.pi * rng.uniform(0.8, 3) * time + rng.uniform(0, 6.28)) for _ in range(4)]
        shake = SHAKE * np.sum(waves, axis=0) / 2
        joints[:, joint] += shake
        asked[:, joint] += np.append(shake[1:], shake[-1])
    tool = forward(joints)
    return replace(
        take, joint_positions=joints, command_asked=asked, tool_positions=tool.position, tool_yaws=tool.yaw
    )  # fmt: skip


def with_another_thing(program: ClickProgram) -> ClickProgram | None:
    """Return the program with its first cube replaced by one that it does not mention; None if it has none."""
    names = {name for click in program.clicks for name in (click.anchor, click.target)}
    cubes = [click.anchor for click in program.clicks if click.anchor in CUBES]
    free = [cube for cube in CUBES if cube not in names]
    if not cubes or not free:
        return None
    clicks = tuple(replace(c, anchor=free[0]) if c.anchor == cubes[0] else c for c in program.clicks)
    return replace(program, clicks=clicks)


def wrong_takes(
    program: ClickProgram, right: Demonstration, others: list[ClickProgram], rng: np.random.Generator
) -> dict[str, Demonstration]:
    """Return one wrong take of every way, by its name."""
    settings = GenerateSettings(takes=1, seed=77)
    found = {"unsteady hand": shaken(right, rng)}
    same = [o for o in others if len(o.clicks) == len(program.clicks) and o.family != program.family]
    shown = {"another task": same[int(rng.integers(len(same)))], "another thing": with_another_thing(program)}
    for name, other in shown.items():
        if other is not None:
            try:
                found[name] = takes_of(other, settings)[0]
            except ImpossibleProgramError:
                continue
    return {name: replace(take, task=program.name, name="odd") for name, take in found.items()}


def adapted_to(prior: Prior, takes: list[Demonstration]) -> AdaptedTask:
    """Adapt as the window does."""
    return follow(adapt_task(prior, takes), lambda _step: None)


def successes(program: ClickProgram, adapted: AdaptedTask, scenes: int) -> list[bool]:
    """Return the success in a few scenes."""
    return [run_in_scene(program, adapted, 1000 + scene)[0] for scene in range(scenes)]


def main() -> None:
    """Measure and print one line a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--each", type=int, default=2, help="programs a family")
    options = parser.parse_args()
    prior = priors.load(options.prior) if options.prior else priors.shipped()
    programs = list(load_programs(resources_dir() / "programs" / "validation.json"))
    rng = np.random.default_rng(0)
    named: dict[str, list[bool]] = {}
    won: dict[str, list[bool]] = {}
    for family in FAMILIES:
        for program in [p for p in programs if p.family == family][: options.each]:
            right = takes_of(program, GenerateSettings(takes=3, seed=21, prefixes=0.5))
            cases = {"all right": right, "two right": right[:2]}
            wrong = wrong_takes(program, right[2], programs, rng)
            cases |= {
                name: [*right[:2], take] for name, take in wrong.items() if len(take.segments) == len(right[0].segments)
            }
            for name, takes in cases.items():
                adapted = adapted_to(prior, takes)
                odd = [found["take"] for found in adapted.provenance["odd_takes"]]
                named.setdefault(name, []).append(odd == (["odd"] if name in wrong else []))
                won.setdefault(name, []).extend(successes(program, adapted, options.scenes))
            print(family, {name: f"{np.mean(runs):.0%}" for name, runs in won.items()}, flush=True)
    for name, verdicts in named.items():
        print(json.dumps({
            "third take": name, "tasks": len(verdicts), "verdict right": round(float(np.mean(verdicts)), 3),
            "success with it": round(float(np.mean(won[name])), 3), "runs": len(won[name]),
        }))  # fmt: skip


if __name__ == "__main__":
    main()
