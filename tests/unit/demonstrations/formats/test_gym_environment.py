"""The environment that robomimic builds from an exported file, called as robomimic's wrapper calls it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gymnasium
import h5py
import numpy as np
import pytest

from metagui.arms.arm import ArmError
from metagui.demonstrations.formats.robomimic.gym_environment import SimulatedArmEnv
from metagui.demonstrations.storage.library import Library
from tests.helpers.exchange import export, list_all_takes
from tests.helpers.takes import generate_example_takes, record_simulated_take

if TYPE_CHECKING:
    from pathlib import Path


def make_environment(path: Path, **arguments: Any) -> Any:
    """Build the environment as robomimic does from ``env_args``."""
    with h5py.File(path) as file:
        values = json.loads(file["data"].attrs["env_args"])
    assert values["type"] == 2
    return gymnasium.make(values["env_name"], **values["env_kwargs"], **arguments)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    library = Library(tmp_path / "library")
    library.add_take(record_simulated_take())
    export(list_all_takes(library), tmp_path / "all.hdf5")
    return tmp_path / "all.hdf5"


def test_states_of_a_take_are_set_and_observed(exported: Path) -> None:
    env = make_environment(exported, lang=None)
    with h5py.File(exported) as file:
        states, flat = file["data/demo_0/states"][()], file["data/demo_0/obs/flat"][()]
    for index in (0, 40, len(states) - 1):
        env.unwrapped.sim.set_state_from_flattened(states[index])
        env.unwrapped.sim.forward()
        seen = env.unwrapped._get_obs()
        assert seen.shape == flat[index].shape == env.observation_space.shape
        positions = slice(0, 6)
        np.testing.assert_allclose(seen[positions], flat[index][positions], atol=1e-6)
        np.testing.assert_array_equal(np.array(env.unwrapped.sim.get_state().flatten()), states[index])


def test_actions_of_a_take_do_the_task(exported: Path) -> None:
    """Open loop from the first state, as playback with actions does, they end where the take ended."""
    env = make_environment(exported)
    with h5py.File(exported) as file:
        states, actions = file["data/demo_0/states"][()], file["data/demo_0/actions"][()]
    env.reset()
    env.unwrapped.sim.set_state_from_flattened(states[0])
    for action in actions[:-1]:
        seen, reward, done, info = env.step(action)
        assert info == {}
        if done:
            break
    assert done
    assert reward == 1.0
    assert env.unwrapped._check_success() == {"task": True}
    assert np.isfinite(seen).all()


def test_nothing_is_achieved_without_moving(exported: Path) -> None:
    env = make_environment(exported)
    env.reset()
    state = env.unwrapped.sim.get_state()
    for _ in range(30):
        _, reward, done, _ = env.step(np.zeros(6))
    assert (reward, done) == (0.0, False)
    assert not np.array_equal(state, env.unwrapped.sim.get_state())
    assert "<mujoco" in env.unwrapped.sim.model.get_xml()


def test_state_of_another_scene_is_refused(exported: Path) -> None:
    env = make_environment(exported)
    with pytest.raises(ArmError, match="another scene"):
        env.unwrapped.sim.set_state_from_flattened(np.zeros(7))


def test_scenes_differ_and_repeat_by_seed() -> None:
    first, second = SimulatedArmEnv(seed=3), SimulatedArmEnv(seed=3)
    scenes = [[env.reset() for _ in range(2)] for env in (first, second)]
    np.testing.assert_array_equal(scenes[0], scenes[1])
    assert not np.array_equal(scenes[0][0], scenes[0][1])


def test_tasks_that_differ_are_not_judged(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    for task in ("above red", "press red"):
        library.add_take(generate_example_takes()[task][0])
    export(list_all_takes(library), tmp_path / "all.hdf5")
    with h5py.File(tmp_path / "all.hdf5") as file:
        assert json.loads(file["data"].attrs["env_args"])["env_kwargs"] == {"instructions": []}
