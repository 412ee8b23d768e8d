"""Controller that carries out a queue of instructions, from a user's clicks or from a task program."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, UnreachableError
from metagui.arms.control.tick import GO_HOME_FIRST, TICKS_PER_DECISION, JointMove
from metagui.arms.kinematics import (
    HOME_ANGLES_RAD,
    ToolMotion,
    has_cartesian_way,
    inverse_kinematics,
    solve_joint_angles,
)
from metagui.demonstrations.json_codec import ProgramError
from metagui.demonstrations.primitives.primitive import MotionStyle, PrimitiveMemory
from metagui.demonstrations.primitives.registry import PRIMITIVES, compute_reach_goal
from metagui.demonstrations.programs.instruction_state import check_reachable, make_primitive_state
from metagui.demonstrations.programs.program import describe_instruction
from metagui.demonstrations.programs.success import InstructionResult, judge_instruction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneObject
    from metagui.demonstrations.demonstration import Instruction
    from metagui.demonstrations.primitives.primitive import PrimitiveState
    from metagui.demonstrations.programs.success import SuccessMonitor

_DECISION_S = CONTROL_PERIOD_S * TICKS_PER_DECISION
MAX_INSTRUCTION_DURATION_S = 20.0
"""Time after which an instruction that is not done is given up, s."""
MAX_INSTRUCTION_DECISIONS = round(MAX_INSTRUCTION_DURATION_S / _DECISION_S)
"""The same as a number of decisions."""
MAX_STANDSTILL_S = 4.0
"""Time after which an instruction is given up if the tool does not get any further, s."""
STANDSTILL_AT_LIMIT_S = 1.0
"""The same for a gripper that is to go to a point and has come to the limit of the arm's reach, s."""
STANDSTILL_M = 0.008
"""Motion of the tool in that time below which it does not get any further, m: a blocked tool trembles."""
PLANNED_HOME = JointMove(HOME_ANGLES_RAD, "Something blocks the line to the home pose, so the arm goes around.")
"""Way home of an arm that does not get there in a line."""
AROUND_REASON = "The line to this point leaves the arm's reach, so the arm goes around."
"""Why an arm goes to a point with all joints at once."""


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
    results: list[InstructionResult] = field(default_factory=list)
    """How every instruction ended, in order; also of those that were given up, stopped or never started."""
    may_restart: bool = True
    """True if an instruction that leads out of reach is started a second time, from the home pose, with its index."""

    def __post_init__(self) -> None:
        self._queue: deque[Instruction] = deque()
        self._memory: PrimitiveMemory | None = None
        self._noise_rng = np.random.default_rng(self.style.noise_seed)
        self._monitor: SuccessMonitor | None = None
        self._restarted = False  # at most once, from the home pose
        self._starts_again = False
        self._went_around = False  # at most once for each instruction
        self._tool_positions: deque[FloatArray] = deque(maxlen=round(MAX_STANDSTILL_S / _DECISION_S))

    def add_instructions(self, *instructions: Instruction) -> None:
        """Append instructions to the queue."""
        self._queue.extend(instructions)

    def replace_waiting(self, *instructions: Instruction) -> None:
        """Replace the instructions that wait; call it between two ticks."""
        self._queue = deque(instructions)

    @property
    def waiting_count(self) -> int:
        """Number of instructions that wait."""
        return len(self._queue)

    @property
    def received_count(self) -> int:
        """Number of all instructions: those that have ended, the current one, and those that wait."""
        return len(self.results) + self.pending_count

    def clear(self) -> None:
        """Empty the queue and stop the current instruction."""
        stopped = [self.current_instruction] if self.current_instruction is not None else []
        self._end_unfinished("it was stopped", *stopped)

    @property
    def pending_count(self) -> int:
        """Number of instructions that wait or run, or have ended and are not judged yet."""
        return len(self._queue) + (self.current_instruction is not None or self._monitor is not None)

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the next motion, None if the queue is empty; a move home from a pose where no tool motion starts."""
        if self.current_instruction is None:
            self._judge_last(observation)
            if self._queue and not has_cartesian_way(observation.joints.positions):
                return GO_HOME_FIRST
            if not self._start_next(observation):
                return None
        instruction, memory = self.current_instruction, self._memory
        if instruction is None or memory is None:  # another thread has called clear()
            return None
        memory.update(observation)
        if (monitor := self._monitor) is not None:
            monitor.update(observation)
        state = make_primitive_state(instruction, self.objects, observation, memory, self.style)
        motion = PRIMITIVES[instruction.action].law(state)
        if motion.done:
            self.current_instruction = None
            return motion
        problem = self._find_problem(observation, memory)
        if not self._went_around and self._needs_way_around(state, motion):
            self._went_around = True
            self._tool_positions.clear()
            return _plan_way_around(state)
        if problem and instruction.action == "home":
            self.current_instruction = None
            return PLANNED_HOME
        if problem and self.may_restart and not self._restarted and _is_out_of_reach(observation, motion):
            self._queue.appendleft(instruction)
            self.current_instruction, self._monitor, self._starts_again = None, None, True
            return GO_HOME_FIRST
        if problem:
            self._abort(
                f"Gave up on “{describe_instruction(instruction)}”: {problem}. The arm holds its position. Move what "
                "blocks it, then try again.",
                problem,
            )
        return motion if self.style.step_noise == 0.0 else self._add_step_noise(motion)

    def _find_problem(self, observation: Observation, memory: PrimitiveMemory) -> str:
        """Return why the current instruction must be given up; empty if it goes on."""
        self._tool_positions.append(observation.tool_position)
        if memory.decision_count > MAX_INSTRUCTION_DECISIONS:
            return f"it was not done after {MAX_INSTRUCTION_DURATION_S:.0f} s"
        if len(self._tool_positions) < (self._tool_positions.maxlen or 0):
            return ""
        is_blocked = _measure_motion(self._tool_positions) < STANDSTILL_M
        return f"the gripper got no further for {MAX_STANDSTILL_S:.0f} s" if is_blocked else ""

    def _needs_way_around(self, state: PrimitiveState, motion: ToolMotion) -> bool:
        """Return whether the gripper stands still at the limit of the reach on its way to a point."""
        if state.instruction.action != "reach" or not _is_out_of_reach(state.observation, motion):
            return False
        newest = list(self._tool_positions)[-round(STANDSTILL_AT_LIMIT_S / _DECISION_S) :]
        return len(newest) * _DECISION_S >= STANDSTILL_AT_LIMIT_S and _measure_motion(newest) < STANDSTILL_M

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
            self._queue.appendleft(instruction)
            self._abort(str(error), "it cannot be done here")
            return False
        self.failure_reason = ""
        self._memory = PrimitiveMemory.from_observation(observation)
        self._monitor = judge_instruction(instruction, self.objects, observation)
        self._tool_positions.clear()
        self._went_around = False
        self._restarted, self._starts_again = self._starts_again, False
        self.instruction_index += not self._restarted  # recorders then leave the first attempt out of the segments
        self.current_instruction = instruction
        return True

    def _judge_last(self, observation: Observation) -> None:
        """Test whether the instruction that has just ended was achieved."""
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            achieved = monitor.end_instruction(observation)
            problem = "" if achieved else monitor.describe_shortfall(observation)
            self.results.append(InstructionResult(monitor.program.instructions[0], achieved, problem))

    def _abort(self, reason: str, problem: str) -> None:
        """Empty the queue, because the next instructions would start from a wrong state."""
        self._end_unfinished(problem, *([] if self.current_instruction is None else [self.current_instruction]))
        self.failure_reason = reason

    def _end_unfinished(self, problem: str, *current: Instruction) -> None:
        """Note that the current and the waiting instructions were not done, and forget them."""
        waiting = list(self._queue)
        self._queue.clear()
        self.current_instruction, self._monitor, self._starts_again = None, None, False
        self.results += [InstructionResult(each, False, problem, is_finished=False) for each in (*current, *waiting)]


def _is_out_of_reach(observation: Observation, motion: ToolMotion) -> bool:
    """Return whether a motion leads out of the arm's reach, so that nothing blocks the arm but its own limits."""
    position = observation.tool_position + motion.displacement
    return solve_joint_angles(position.tolist(), observation.tool_yaw + motion.yaw_change) is None


def _measure_motion(tool_positions: Iterable[FloatArray]) -> float:
    """Return the largest range of a coordinate of tool positions (3,), m."""
    return float(np.ptp(np.array(list(tool_positions)), axis=0).max())


def _plan_way_around(state: PrimitiveState) -> JointMove:
    """Return the move of all joints to the goal of a reach; from where it ends the instruction goes on."""
    angles = inverse_kinematics(compute_reach_goal(state), 0.0)
    return JointMove(np.append(angles, state.current_gripper_target), AROUND_REASON, is_required=False)
