"""A person who leads an arm with a leader: emulated servos on a cable, whose gears have play, moved by a human hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.simulation.scene import make_parked_layout
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.teleoperation.leader import LeaderController
from metagui.demonstrations.people.human_demonstrator import MAX_HAND_GUIDED_TICKS, HumanDemonstrator
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from tests.helpers.emulated_bench import EmulatedBench

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Command, FloatArray, Observation
    from metagui.arms.control.tick import JointMove
    from metagui.demonstrations.demonstration import Demonstration, Instruction
    from metagui.demonstrations.people.habits import HumanStyle

GEAR_PLAY_RAD = np.deg2rad(1.0)
"""Angle by which a joint of the leader turns before its servo turns with it, from one side to the other, rad."""


class LeaderPerson:
    """Moves a leader's joints as a person would, looking at the arm that follows. Implements Controller."""

    def __init__(self, person: HumanDemonstrator, play: float = GEAR_PLAY_RAD) -> None:
        self.person, self.play = person, play
        self.bench = EmulatedBench()
        self.bench.emulated_arm.simulated.reset(make_parked_layout())
        self.bench.arm.connect()
        self.bench.arm.start_hand_guiding()
        self.follower = LeaderController(self.bench.arm)
        self._shafts: FloatArray = np.array(self.bench.emulated_arm.read_joint_angles())

    def decide(self, observation: Observation) -> Command | JointMove | None:
        """Move the leader by one decision; return the command that its reading makes, None at the end."""
        wanted = self.person.decide(observation)
        if wanted is None:
            self.bench.arm.disconnect(disable_torque=True)
            return None
        half = self.play / 2
        self._shafts = np.clip(self._shafts, wanted.positions - half, wanted.positions + half)
        for joint, angle in enumerate(self._shafts):
            self.bench.emulated_arm.move_joint_by_hand(joint, float(angle))
        self.bench.emulated_arm.advance(TICKS_PER_DECISION)
        return self.follower.decide(observation)


def demonstrate_with_leader(
    task: str,
    instructions: Sequence[Instruction],
    style: HumanStyle,
    seed: int,
    name: str = "001",
    play: float = GEAR_PLAY_RAD,
) -> Demonstration | None:
    """Record a take, without segments, in which the simulated arm follows a leader; None if it takes too long."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop = ControlLoop(arm, arm)
    recorder = InMemoryRecorder(task, arm, name, teaching_method="leader")
    loop.add_sink(recorder.on_tick)
    person = HumanDemonstrator(style, arm, arm.observe_all(), instructions, np.random.default_rng([seed, 7]))
    loop.run_inline(LeaderPerson(person, play), MAX_HAND_GUIDED_TICKS)
    return recorder.stop() if person.finished else None
