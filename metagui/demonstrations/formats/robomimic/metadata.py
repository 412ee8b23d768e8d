"""What robomimic needs beside the takes: the environment that it builds, and observations as one vector.

robomimic builds the environment from ``env_args`` through Gym, whose names may begin with the module that registers
them. Its environments observe one vector, ``flat``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.demonstrations.json_codec import instruction_to_flat_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration, Instruction

ENVIRONMENT_ID = "MetaguiSO101-v0"
"""Name of the environment in Gym."""
_ENVIRONMENT_MODULE = "metagui.demonstrations.formats.robomimic.gym_environment"
_GYM_TYPE = 2
"""robomimic's number for environments made by Gym."""
FLAT_FIELDS = (
    "joint_positions", "joint_velocities", "tool_positions", "tool_yaws", "object_positions", "object_yaws", "held",
    "touched",
)  # fmt: skip
"""Fields of a Demonstration whose numbers follow each other in ``flat``."""


def make_env_args(takes: Sequence[Demonstration]) -> dict[str, Any]:
    """Return the environment of takes: the simulated arm, which judges the instructions if all takes have the same."""
    programs = {tuple(_freeze(instruction) for instruction in get_instructions(take)) for take in takes}
    instructions = get_instructions(takes[0]) if len(programs) == 1 else []
    return {
        "env_name": f"{_ENVIRONMENT_MODULE}:{ENVIRONMENT_ID}",
        "type": _GYM_TYPE,
        "env_kwargs": {"instructions": [instruction_to_flat_dict(each) for each in instructions]},
    }


def get_instructions(take: Demonstration) -> list[Instruction]:
    """Return the instructions of a take in order; empty if a segment has none."""
    found = [segment.instruction for segment in take.segments if segment.instruction is not None]
    return found if len(found) == len(take.segments) else []


def encode_flat(take: Demonstration) -> NDArray[np.float32]:
    """Return the observations (N, F) of a take as one vector per sample."""
    arrays = [np.asarray(getattr(take, name), dtype=np.float32).reshape(len(take), -1) for name in FLAT_FIELDS]
    return np.concatenate(arrays, axis=1)


def _freeze(instruction: Instruction) -> str:
    return repr(sorted(instruction_to_flat_dict(instruction).items()))
