"""Habits of simulated people: those to train and tune on, and those that are kept for reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.arms.kinematics import GRIPPER_OPEN_RAD

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class HumanStyle:
    """Habits of one simulated person."""

    name: str
    speed: float
    """Mean speed of a stroke, m/s; the scripted demonstrator's maximum is 0.25."""
    speed_variation: float = 0.2
    """Standard deviation of the logarithm of a stroke's speed."""
    speed_trend: float = 0.0
    """Change of the logarithm of the speed in 30 s: positive for a person who becomes faster during a take."""
    aim_error: float = 0.003
    """Standard deviation of a stroke's end, m."""
    align_duration: tuple[float, float] = (0.4, 1.2)
    """Minimum and maximum time spent above a contact, s."""
    pause_probability: float = 0.4
    """Probability of a pause between two instructions."""
    pause_duration: tuple[float, float] = (0.3, 1.2)
    """Minimum and maximum duration of a pause, s."""
    hesitation_probability: float = 0.15
    """Probability of a stop in the middle of a stroke."""
    tremor: float = 0.0010
    """Amplitude of the tremor, m."""
    regrasp_probability: float = 0.1
    """Probability that a grasp is repeated."""
    travel_height: float = 0.075
    """Height above the goal during travel, m."""
    curvature: float = 0.08
    """Standard deviation of a stroke's lateral deviation, as a fraction of its length."""
    overshoot: float = 0.0
    """Fraction of its length by which a stroke goes too far, before it comes back."""
    moves_along_axes: bool = False
    """True if the hand travels sideways first, then forwards, then down."""
    gripper_opening: float = GRIPPER_OPEN_RAD
    """Angle to which the gripper is opened, rad."""


TUNING_STYLES = (
    HumanStyle(
        "brisk", 0.20, aim_error=0.003, align_duration=(0.2, 0.6), pause_probability=0.2,
        hesitation_probability=0.05, regrasp_probability=0.0,
    ),
    HumanStyle(
        "careful", 0.10, aim_error=0.002, align_duration=(1.0, 2.2), pause_probability=0.5, tremor=0.0008,
        travel_height=0.06,
    ),
    HumanStyle(
        "trembling", 0.13, speed_variation=0.35, aim_error=0.004, tremor=0.0020, regrasp_probability=0.2,
        curvature=0.15,
    ),
)  # fmt: skip
"""People on whom thresholds and choices may be tuned."""
HELD_OUT_STYLES = (
    HumanStyle(
        "hesitant", 0.09, speed_variation=0.4, align_duration=(0.6, 2.0), pause_probability=0.7,
        hesitation_probability=0.5, tremor=0.0012, regrasp_probability=0.15,
    ),
    HumanStyle(
        "clumsy", 0.16, aim_error=0.005, tremor=0.0015, regrasp_probability=0.5, travel_height=0.09, curvature=0.2,
        gripper_opening=0.55,
    ),
)  # fmt: skip
"""People on whom nothing may be tuned, for reports."""
FINAL_STYLES = (
    HumanStyle(
        "overshooting", 0.22, speed_variation=0.5, speed_trend=-0.5, aim_error=0.004, overshoot=0.10, curvature=0.05,
        align_duration=(0.1, 0.8), regrasp_probability=0.3, tremor=0.0006,
    ),
    HumanStyle(
        "angular", 0.11, speed_trend=0.6, aim_error=0.0035, moves_along_axes=True, pause_probability=0.6,
        pause_duration=(0.8, 2.0), travel_height=0.10, curvature=0.02, gripper_opening=0.58,
    ),
)  # fmt: skip
"""People with habits that no other has, measured once, for the final report of a prior."""


def draw_training_style(rng: np.random.Generator, name: str = "drawn") -> HumanStyle:
    """Draw the habits of a person to train on.

    The ranges span TUNING_STYLES, with speeds from a third of the script's to all of it; what is particular to the
    people kept for reports (frequent hesitation and re-grasping, high travel, overshoot, paths along axes) is outside.
    """
    shortest = rng.uniform(0.2, 1.0)
    return HumanStyle(
        name,
        speed=rng.uniform(0.085, 0.24),
        speed_variation=rng.uniform(0.15, 0.35),
        speed_trend=rng.uniform(-0.4, 0.4),
        aim_error=rng.uniform(0.002, 0.004),
        align_duration=(shortest, shortest + rng.uniform(0.3, 1.2)),
        pause_probability=rng.uniform(0.1, 0.5),
        hesitation_probability=rng.uniform(0.0, 0.2),
        tremor=rng.uniform(0.0006, 0.0020),
        regrasp_probability=rng.uniform(0.0, 0.2),
        travel_height=rng.uniform(0.06, 0.08),
        curvature=rng.uniform(0.05, 0.15),
    )
