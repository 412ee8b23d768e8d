"""The simulated arm as a Gym environment, through which robomimic replays takes and tests policies during training.

It has the interface of Gym before 0.26, which robomimic's wrapper expects: ``step`` returns four values, and ``sim``
gets and sets the state. Importing this module registers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import Command, FloatArray
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.opengl import choose_backend
from metagui.demonstrations.formats.robomimic.metadata import ENVIRONMENT_ID
from metagui.demonstrations.formats.robomimic.program_progress import ProgramProgress
from metagui.demonstrations.json_codec import instruction_from_flat_dict
from metagui.demonstrations.storage.robomimic_layout import compute_action_scaling

if TYPE_CHECKING:
    from metagui.arms.simulation.simulated_arm import SimulatedArm

try:
    import gym
except ImportError:
    import gymnasium as gym

MAX_SEED = 1 << 31


class SimulatedArmEnv(gym.Env):  # type: ignore[misc]
    """The simulated arm in a random scene; actions are joint targets in [-1, 1], 50 a second.

    An episode succeeds when every instruction was carried out, one after the other, and the moved cubes are in place.
    """

    metadata = {"render_modes": ["rgb_array"], "render.modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012

    def __init__(self, instructions: list[dict[str, Any]] | None = None, seed: int = 0, **_unused: Any) -> None:
        """Make the environment; ``instructions`` are those of a task program. Further arguments are ignored."""
        self._instructions = tuple(
            instruction_from_flat_dict(each, f"Instruction {index + 1}")
            for index, each in enumerate(instructions or [])
        )
        choose_backend()  # before MuJoCo is imported
        from metagui.arms.simulation.simulated_arm import SimulatedArm

        self._arm = SimulatedArm(seed)
        self._arm.connect()
        self._rng = np.random.default_rng(seed)
        self._scale, self._offset = compute_action_scaling([joint.name for joint in JOINTS])
        self._renderer: Any = None
        self.sim = _Simulator(self._arm)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (len(JOINTS),), np.float32)
        self._start_episode()
        size = self._get_obs().shape
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, size, np.float32)

    def reset(self, seed: int | None = None, **_unused: Any) -> Any:
        """Make another scene; return its observation."""
        self._arm.randomise(int(self._rng.integers(MAX_SEED)) if seed is None else seed)
        self._start_episode()
        return self._get_obs()

    def step(self, action: FloatArray) -> Any:
        """Send joint targets (J,) in [-1, 1]; return observation, reward, whether the task is done, and nothing."""
        targets = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0) * self._scale + self._offset
        self._arm.command(Command(targets))
        if self.sim.take_change():
            self._start_episode()
        self._progress.update(self._arm.observe_all())
        done = self._progress.is_successful
        return self._get_obs(), float(done), done, {}

    def render(self, mode: str = "rgb_array", height: int | None = None, width: int | None = None) -> Any:
        """Return a picture (height, width, 3). Raises RenderingError, ValueError."""
        from metagui.arms.simulation.orbit_camera import OrbitCamera
        from metagui.arms.simulation.renderer import SceneRenderer

        if mode != "rgb_array":
            raise ValueError(f"There is no window here: the mode {mode!r} is not supported, only rgb_array.")
        width, height = width or 512, height or 512
        if self._renderer is None:
            self._renderer = SceneRenderer(width, height)
        self._renderer.update_state(self._arm.get_state())
        picture = self._renderer.draw(OrbitCamera(), width, height)
        return picture[:: picture.shape[0] // height, :: picture.shape[1] // width][:height, :width]

    def close(self) -> None:
        """Free the graphics memory."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _start_episode(self) -> None:
        self._progress = ProgramProgress(self._instructions, self._arm.objects, self._arm.observe_all())

    def _get_obs(self) -> Any:
        """Return the observation as one vector; its name is that which robomimic calls."""
        seen = self._arm.observe_all()
        joints, scene = seen.joints, seen.scene
        parts = (
            joints.positions, joints.velocities, seen.tool_position, [seen.tool_yaw], scene.positions.ravel(),
            scene.yaws, scene.held, scene.touched,
        )  # fmt: skip
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])

    def _check_success(self) -> dict[str, bool]:
        """Return whether the task is done; its name is that which robomimic calls."""
        return {"task": self._progress.is_successful}


class _Simulator:
    """State of the simulator with the interface of mujoco-py, which robomimic expects."""

    def __init__(self, arm: SimulatedArm) -> None:
        self._arm = arm
        self._is_changed = False
        self.model = self

    def set_state_from_flattened(self, state: FloatArray) -> None:
        """Set a stored state (D,). Raises ArmError."""
        self._arm.set_state(np.asarray(state, dtype=np.float64))
        self._is_changed = True

    def take_change(self) -> bool:
        """Return whether the state was set since the last call."""
        changed, self._is_changed = self._is_changed, False
        return changed

    def forward(self) -> None:
        """Do nothing: setting a state computes everything that follows from it."""

    def get_state(self) -> FloatArray:
        """Return the state (D,)."""
        return self._arm.get_state()

    def get_xml(self) -> str:
        """Return the scene as MJCF text."""
        return self._arm.model_xml


gym.register(
    id=ENVIRONMENT_ID, entry_point=f"{__name__}:SimulatedArmEnv", order_enforce=False, disable_env_checker=True
)
