"""Torques by which the arm's weight pulls at its joints, computed from the simulated arm's masses."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from metagui.arms.arm import make_read_only
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.scene import load_model

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray


class GravityModel:
    """The weight of an SO-101 without a load in its gripper."""

    def __init__(self) -> None:
        self._model = copy.deepcopy(load_model())
        self._data = mujoco.MjData(self._model)
        self._forces = np.zeros(self._model.nv)

    def compute_torques(self, angles: FloatArray) -> FloatArray:
        """Return the torques (J,), N·m, with which motors must hold the joint angles (J,), rad, at rest.

        They are the bias forces of the equations of motion at zero velocity, by the recursive Newton-Euler algorithm
        (Featherstone, *Rigid Body Dynamics Algorithms*, 2008, chapter 5).
        """
        model, data = self._model, self._data
        data.qpos[: len(JOINTS)] = angles
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_rne(model, data, 0, self._forces)
        return make_read_only(self._forces[: len(JOINTS)].copy())
