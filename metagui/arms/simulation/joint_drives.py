"""The drives of an emulated arm's joints: compliance, play, gravity, torque limits and hands, in the simulated physics.

A drive pulls its shaft to a target with a limited torque, like a spring, so the arm sags under its weight. Between the
shaft, whose angle the encoder measures, and the link there is play, which no encoder sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.kinematics import JOINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import mujoco

    from metagui.arms.arm import FloatArray
    from metagui.arms.simulation.simulated_arm import SimulatedArm

_HAND_STIFFNESS, _HAND_DAMPING, _HAND_STRENGTH = 998.0, 2.73, 4.0
"""Stiffness, N·m/rad, and damping, N·m·s/rad, of a hand, and its torque as a multiple of the motor's."""
_MAX_HAND_STEP_RAD = 0.1
"""Largest angle by which a hand moves a joint in one control period, rad."""
_PLAY_TORQUE_NM = 0.05
"""Torque at which a joint rests on one side of its play, N·m."""
_PLAY_RELAXATION = 0.1
"""Fraction by which a link crosses its play in one step of the physics."""
_GRIPPER = len(JOINTS) - 1
_GRIPPER_TORQUE_FACTOR = 2.0
"""Torque of the gripper's motor as a multiple of the model's, which is that of a motor limited to a half."""


@dataclass(frozen=True)
class DriveSettings:
    """Mechanical properties of the drives."""

    stiffness: float = 48.0
    """Torque per angle between target and shaft, N·m/rad: full torque at 40 ticks, as the servos with P = 16."""
    damping: float = 2.3
    """Torque per velocity, N·m·s/rad; with the passive damping it avoids ringing."""
    play: float = math.radians(1.0)
    """Angle that a link moves while its shaft stands still, rad."""
    has_weight: bool = True
    """True if the arm's weight pulls at its joints."""
    limp_friction: float | None = 0.15
    """Friction of a gear without power, N·m; None if a limp joint rests where it is."""


STIFF_DRIVES = DriveSettings(998.0, 2.73, 0.0, has_weight=False, limp_friction=None)
"""Drives of an ideal arm, which neither sags nor has play."""


@dataclass(frozen=True)
class JointDemand:
    """What happens to a joint in one control period."""

    target: float | None = None
    """Angle of the shaft, or of a link in a hand, at the end of the period, rad; None if the joint is limp."""
    is_held: bool = False
    """True if a hand or an obstacle holds the link."""
    torque_fraction: float = 1.0
    """Greatest torque as a fraction of the motor's."""
    gain: float = 1.0
    """Stiffness as a multiple of the usual one."""
    hand_torque: float = 0.0
    """Torque with which a hand pushes the link, N·m."""


@dataclass
class JointDrives:
    """Drives of the joints of ``simulated``, whose model becomes its own."""

    simulated: SimulatedArm
    settings: DriveSettings = field(default_factory=DriveSettings)

    def __post_init__(self) -> None:
        """Make the model compliant, with the play in the middle."""
        model, count = self.simulated.model, len(JOINTS)
        self._full_torques = model.actuator_forcerange[:, 1].copy()
        self._full_torques[_GRIPPER] *= _GRIPPER_TORQUE_FACTOR
        self._stiffness = np.full(count, self.settings.stiffness)
        self._damping = np.full(count, self.settings.damping)
        self._stiffness[_GRIPPER], self._damping[_GRIPPER] = (
            model.actuator_gainprm[-1, 0],
            -model.actuator_biasprm[-1, 2],
        )
        self._hand_strengths = np.full(count, _HAND_STRENGTH)
        self._hand_strengths[_GRIPPER] = 0.5  # fingers that grasp a cube do not crush it
        self._passive_damping = model.dof_damping[:count].copy()
        self._friction = model.dof_frictionloss[:count].copy()
        if self.settings.has_weight:
            model.body_gravcomp[:] = 0.0
        self.reset()

    def reset(self) -> None:
        """Put the links in the middle of their play, at rest; call after the joints were set."""
        self._play = np.zeros(len(JOINTS))
        self._links = self._read_links()
        self._targets = self._links.copy()
        self._rest_angles = self._links.copy()
        self.velocities = np.zeros(len(JOINTS))
        """Velocities of the shafts in the last period, rad/s."""
        self.loads = np.zeros(len(JOINTS))
        """Torques of the motors as fractions of their greatest."""

    @property
    def shafts(self) -> FloatArray:
        """The angles (J,) of the shafts, rad."""
        shafts: FloatArray = self._links - self._play
        return shafts

    @property
    def links(self) -> FloatArray:
        """The true joint angles (J,), rad."""
        return self._links.copy()

    def simulate_period(self, demands: Sequence[JointDemand]) -> None:
        """Simulate one control period."""
        before = self.shafts
        demands = [self._rest(index, each) for index, each in enumerate(demands)]
        self._configure(demands)
        limp = np.array([each.target is None for each in demands])
        held = np.array([each.is_held for each in demands])
        ends = np.array([a if each.target is None else each.target for each, a in zip(demands, before, strict=True)])
        starts = np.where(limp, before, self._targets)
        starts = np.where(held, self._links, starts)
        ends = np.where(held, np.clip(ends, starts - _MAX_HAND_STEP_RAD, starts + _MAX_HAND_STEP_RAD), ends)
        pushes = np.array([each.hand_torque for each in demands])
        steps = round(CONTROL_PERIOD_S / self.simulated.model.opt.timestep)
        lead = np.where(held, 0.0, self._lead * (ends - starts) / CONTROL_PERIOD_S)

        def set_controls(data: mujoco.MjData, step: int) -> None:
            self._update_play(data, limp | held)
            play = np.where(held, 0.0, self._play)
            data.ctrl[:] = starts + (ends - starts) * ((step + 1) / steps) + play + lead
            data.qfrc_applied[: len(pushes)] = pushes

        self.simulated.simulate_period(set_controls)
        self._links = self._read_links()
        self._targets = np.where(limp | held, self.shafts, ends)
        self.velocities = (self.shafts - before) / CONTROL_PERIOD_S
        loads = self.simulated.observe().loads * self.simulated.model.actuator_forcerange[:, 1] / self._full_torques
        self.loads = np.where(limp | held, 0.0, loads)

    def _rest(self, index: int, demand: JointDemand) -> JointDemand:
        """Return the demand; a limp joint without friction of its own is held where it came to rest."""
        if demand.target is None and self.settings.limp_friction is None and not demand.hand_torque:
            return JointDemand(float(self._rest_angles[index]), is_held=True)
        self._rest_angles[index] = self._links[index] if not demand.is_held or demand.target is None else demand.target
        return demand

    def _configure(self, demands: Sequence[JointDemand]) -> None:
        """Set the gains, torque limits and friction of all joints for one period."""
        model = self.simulated.model
        held = np.array([each.is_held for each in demands])
        limp = np.array([each.target is None for each in demands])
        gains = np.array([each.gain for each in demands])
        stiffness = np.where(held, _HAND_STIFFNESS, np.where(limp, 0.0, self._stiffness * gains))
        damping = np.where(held, _HAND_DAMPING, np.where(limp, 0.0, self._damping))
        torques = self._full_torques * np.where(held, self._hand_strengths, [e.torque_fraction for e in demands])
        model.actuator_gainprm[:, 0], model.actuator_biasprm[:, 1] = stiffness, -stiffness
        model.actuator_biasprm[:, 2] = -damping
        model.actuator_forcerange[:] = np.stack([-torques, torques], axis=1)
        model.dof_frictionloss[: len(demands)] = np.where(limp, self.settings.limp_friction or 0.0, self._friction)
        self._lead = (damping + self._passive_damping) / np.maximum(stiffness, 1e-9) * (stiffness > 0)
        self._lead[_GRIPPER] = 0.0  # a target that recedes must not open the gripper

    def _update_play(self, data: mujoco.MjData, passive: FloatArray) -> None:
        """Move the links within their play: a powered one leans against its load, a limp one lags its hand."""
        half = self.settings.play / 2
        links = data.qpos[: len(JOINTS)]
        leaning = -half * np.clip(data.actuator_force / _PLAY_TORQUE_NM, -1.0, 1.0)
        powered = self._play + _PLAY_RELAXATION * (leaning - self._play)
        dragged = np.clip(self._play + links - self._links, -half, half)
        self._play = np.where(passive, dragged, powered)
        self._links = links.copy()

    def _read_links(self) -> FloatArray:
        return self.simulated.observe().positions.copy()
