"""Detection of outlier takes, and success with and without them: ``python -m benchmarks.outlier_takes``.

For validation programs of every single family there are three takes: all correct, or the third one wrong in one of
three ways: a take of another task, the same task with another object, or a correct take shaken as by an unsteady hand.
Prints how often exactly that take is named, and the success of policies adapted to all three and to the correct two.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import forward_kinematics
from metagui.demonstrations.programs.program import TaskProgram, load_programs
from metagui.demonstrations.programs.scripted import GenerationSettings, ImpossibleProgramError, generate_takes
from metagui.demonstrations.programs.task_distribution import CUBE_NAMES, TASK_FAMILIES
from metagui.generators import run_to_end
from metagui.learning import prior as priors
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.evaluation.evaluation import run_policy_episode
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.prior import Prior

SHAKE_AMPLITUDE_RAD = 0.04
"""Amplitude of the shaking at every joint, rad: about 1 cm at the tool."""


def shake_take(take: Demonstration, rng: np.random.Generator) -> Demonstration:
    """Return the take with shaking of 0.8 to 3 Hz added to joints and commands."""
    time = np.arange(len(take)) / 50.0
    joints, commands = take.joint_positions.copy(), take.command_requested.copy()
    for joint in range(joints.shape[1] - 1):
        waves = [rng.normal() * np.sin(2 * np.pi * rng.uniform(0.8, 3) * time + rng.uniform(0, 6.28)) for _ in range(4)]
        shake = SHAKE_AMPLITUDE_RAD * np.sum(waves, axis=0) / 2
        joints[:, joint] += shake
        commands[:, joint] += np.append(shake[1:], shake[-1])
    tool = forward_kinematics(joints)
    return replace(
        take, joint_positions=joints, command_requested=commands, tool_positions=tool.position, tool_yaws=tool.yaw
    )  # fmt: skip


def replace_object(program: TaskProgram) -> TaskProgram | None:
    """Return the program with its first cube replaced by an unused one; None if that is impossible."""
    names = {
        name for instruction in program.instructions for name in (instruction.object_name, instruction.target_name)
    }
    cubes = [instruction.object_name for instruction in program.instructions if instruction.object_name in CUBE_NAMES]
    free = [cube for cube in CUBE_NAMES if cube not in names]
    if not cubes or not free:
        return None
    instructions = tuple(
        replace(i, object_name=free[0]) if i.object_name == cubes[0] else i for i in program.instructions
    )
    return replace(program, instructions=instructions)


def make_wrong_takes(
    program: TaskProgram, correct_take: Demonstration, other_programs: list[TaskProgram], rng: np.random.Generator
) -> dict[str, Demonstration]:
    """Return one wrong take of every kind, by the kind's name."""
    settings = GenerationSettings(takes=1, seed=77)
    found = {"unsteady hand": shake_take(correct_take, rng)}
    same = [
        o for o in other_programs if len(o.instructions) == len(program.instructions) and o.family != program.family
    ]
    others = {"another task": same[int(rng.integers(len(same)))], "another object": replace_object(program)}
    for name, other in others.items():
        if other is not None:
            try:
                found[name] = generate_takes(other, settings)[0]
            except ImpossibleProgramError:
                continue
    return {name: replace(take, task=program.name, name="wrong") for name, take in found.items()}


def adapt_to_takes(prior: Prior, takes: list[Demonstration]) -> TaskPolicy:
    """Adapt to the takes, as the window does."""
    return run_to_end(adapt_task(prior, takes))


def run_in_scenes(program: TaskProgram, adapted: TaskPolicy, scene_count: int) -> list[bool]:
    """Return the success in every scene."""
    return [run_policy_episode(program, adapted, 1000 + scene)[0] for scene in range(scene_count)]


def main() -> None:
    """Measure and print one line per kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--each", type=int, default=2, help="number of programs per family")
    options = parser.parse_args()
    prior = priors.load(options.prior) if options.prior else priors.load_shipped()
    programs = list(load_programs(resources_dir() / "programs" / "validation.json"))
    rng = np.random.default_rng(0)
    named: dict[str, list[bool]] = {}
    won: dict[str, list[bool]] = {}
    for family in TASK_FAMILIES:
        for program in [p for p in programs if p.family == family][: options.each]:
            correct = generate_takes(program, GenerationSettings(takes=3, seed=21, prefix_fraction=0.5))
            cases = {"all correct": correct, "two correct": correct[:2]}
            wrong = make_wrong_takes(program, correct[2], programs, rng)
            cases |= {
                name: [*correct[:2], take]
                for name, take in wrong.items()
                if len(take.segments) == len(correct[0].segments)
            }
            for name, takes in cases.items():
                adapted = adapt_to_takes(prior, takes)
                outliers = [found.take for found in adapted.provenance.outlier_takes]
                named.setdefault(name, []).append(outliers == (["wrong"] if name in wrong else []))
                won.setdefault(name, []).extend(run_in_scenes(program, adapted, options.scenes))
            print(family, {name: f"{np.mean(runs):.0%}" for name, runs in won.items()}, flush=True)
    for name, verdicts in named.items():
        print(json.dumps({
            "third take": name, "tasks": len(verdicts), "verdict correct": round(float(np.mean(verdicts)), 3),
            "success with it": round(float(np.mean(won[name])), 3), "runs": len(won[name]),
        }))  # fmt: skip


if __name__ == "__main__":
    main()
