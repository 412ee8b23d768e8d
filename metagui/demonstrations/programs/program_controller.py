"""Controller that carries out a queue of instructions, from a user's clicks or from a task program."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, UnreachableError
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.kinematics import ToolMotion, inverse_kinematics
from metagui.demonstrations.json_codec import ProgramError
from metagui.demonstrations.primitives.primitive import MotionStyle, PrimitiveMemory, PrimitiveState
from metagui.demonstrations.primitives.registry import PRIMITIVES, compute_goals
from metagui.demonstrations.programs.program import describe_instruction
from metagui.demonstrations.suggestions import suggest_closest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.demonstrations.demonstration import Instruction

MAX_INSTRUCTION_DURATION_S = 20.0
"""Time after which an instruction that is not done is given up, s."""
MAX_INSTRUCTION_DECISIONS = round(MAX_INSTRUCTION_DURATION_S / (CONTROL_PERIOD_S * TICKS_PER_DECISION))
"""The same as a number of decisions."""


def find_object_index(object_name: str, objects: Sequence[SceneObject]) -> int:
    """Return the index of an object. Raises ProgramError with the valid names."""
    names = [each.name for each in objects]
    if object_name in names:
        return names.index(object_name)
    raise ProgramError(
        f"There is no {object_name!r} here; there is {', '.join(names)}.{suggest_closest(object_name, names)}"
    )


def make_primitive_state(
    instruction: Instruction,
    objects: Sequence[SceneObject],
    observation: Observation,
    memory: PrimitiveMemory | None = None,
    style: MotionStyle | None = None,
) -> PrimitiveState:
    """Resolve an instruction's names in a scene; return the state for its law. Raises ProgramError."""
    first = find_object_index(instruction.object_name, objects)
    target = first if instruction.target_name is None else find_object_index(instruction.target_name, objects)
    cubes = tuple(index for index, each in enumerate(objects) if each.kind == "cube")
    if instruction.action in ("grasp", "push", "press") and first not in cubes:
        raise ProgramError(
            f"Only a cube can be the object of {instruction.action}, not the {instruction.object_name}. The arm stays "
            "where it is; choose a cube."
        )
    return PrimitiveState(
        instruction,
        observation,
        memory or PrimitiveMemory.from_observation(observation),
        style or MotionStyle(),
        first,
        target,
        cubes,
    )


def check_reachable(instruction: Instruction, objects: Sequence[SceneObject], observation: Observation) -> None:
    """Raise UnreachableError or ProgramError if an instruction cannot be carried out now."""
    state = make_primitive_state(instruction, objects, observation)
    for goal in compute_goals(state):
        if goal[2] < 0.0:
            raise UnreachableError("That point is below the table. The arm stays where it is; choose a higher one.")
        inverse_kinematics(goal, 0.0)
    if instruction.action in ("place", "slide") and not observation.scene.held.any():
        raise ProgramError("Nothing is held that could be put there. The arm stays where it is; grasp a cube first.")


@dataclass
class ProgramController:
    """Carries out a queue of instructions one after the other. Implements Controller.

    The control loop copies ``current_instruction`` and ``instruction_index`` into every tick; recorders use them to
    split a take into segments.
    """

    objects: Sequence[SceneObject]
    style: MotionStyle = field(default_factory=MotionStyle)
    current_instruction: Instruction | None = None
    instruction_index: int = -1
    """Index of the instruction that was started last."""
    failure_reason: str = ""
    """Why the last instruction was given up; empty if it was not."""

    def __post_init__(self) -> None:
        self._queue: deque[Instruction] = deque()
        self._memory: PrimitiveMemory | None = None
        self._noise_rng = np.random.default_rng(self.style.noise_seed)

    def add_instructions(self, *instructions: Instruction) -> None:
        """Append instructions to the queue."""
        self._queue.extend(instructions)

    def clear(self) -> None:
        """Empty the queue and stop the current instruction."""
        self._queue.clear()
        self.current_instruction = None

    @property
    def pending_count(self) -> int:
        """Number of instructions that wait or run."""
        return len(self._queue) + (self.current_instruction is not None)

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None if the queue is empty."""
        if self.current_instruction is None and not self._start_next(observation):
            return None
        instruction, memory = self.current_instruction, self._memory
        if instruction is None or memory is None:  # another thread has called clear()
            return None
        memory.update(observation)
        state = make_primitive_state(instruction, self.objects, observation, memory, self.style)
        motion = PRIMITIVES[instruction.action].law(state)
        if motion.done:
            self.current_instruction = None
        elif memory.decision_count > MAX_INSTRUCTION_DECISIONS:
            self._abort(
                f"Gave up on '{describe_instruction(instruction)}' after {MAX_INSTRUCTION_DURATION_S:.0f} s; the arm "
                "holds its position. Move what blocks it, then try again."
            )
        return motion if self.style.step_noise == 0.0 else self._add_step_noise(motion)

    def _add_step_noise(self, motion: ToolMotion) -> ToolMotion:
        """Return the motion with noise, so that takes also show how to come back to a path."""
        step = motion.displacement
        noise = self.style.step_noise * math.sqrt(float(step @ step)) * self._noise_rng.standard_normal(3)
        return ToolMotion(step + noise, motion.yaw_change, motion.gripper, motion.done)

    def _start_next(self, observation: Observation) -> bool:
        """Start the next instruction; return False if there is none or it cannot be carried out."""
        if not self._queue:
            return False
        instruction = self._queue.popleft()
        try:
            check_reachable(instruction, self.objects, observation)
        except (UnreachableError, ProgramError) as error:
            self._abort(str(error))
            return False
        self.failure_reason = ""
        self._memory = PrimitiveMemory.from_observation(observation)
        self.instruction_index += 1
        self.current_instruction = instruction
        return True

    def _abort(self, reason: str) -> None:
        """Empty the queue, because the next instructions would start from a wrong state."""
        self.clear()
        self.failure_reason = reason
