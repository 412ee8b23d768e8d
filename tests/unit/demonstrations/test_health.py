"""Tests of the health of a real arm's motors in takes: recorded, stored, recovered from a journal, and listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.demonstrations.health import HEALTH_TYPES, find_faults
from metagui.demonstrations.recording.recorder import Recorder, recover_take
from metagui.demonstrations.storage.library import Library
from tests.helpers.emulated_table import record_overload

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


@pytest.fixture
def take(recorder: Recorder) -> Demonstration:
    """Return a take in whose second half the gripper is overloaded."""
    return record_overload(recorder)


def test_health_is_recorded(take: Demonstration) -> None:
    assert take.health is not None
    assert take.health.statuses.shape == take.joint_positions.shape
    assert set(take.health.statuses[:, 5].tolist()) == {0, 32}
    assert not take.health.statuses[:, :5].any()
    np.testing.assert_allclose(take.health.voltages, 7.4, atol=1e-3)
    assert (take.health.temperatures > 20).all()
    assert np.isfinite(take.health.currents).all()
    assert find_faults(take.health, take.joint_names) == {"overload": ["gripper"]}


def test_health_is_stored_and_faults_are_listed(take: Demonstration, tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    name = library.add_take(take).name
    stored = library.load_take("lift", name)
    assert stored.health is not None
    assert take.health is not None
    for field in HEALTH_TYPES:
        np.testing.assert_allclose(getattr(stored.health, field), getattr(take.health, field), rtol=1e-6)
    (info,) = library.list_takes("lift")
    assert info.problem == "Faults of the motors: overload of gripper"


def test_health_is_recovered_from_a_journal(take: Demonstration, recorder: Recorder) -> None:
    assert recorder.journal_path is not None
    recovered = recover_take(recorder.journal_path)
    assert recovered.health is not None
    assert take.health is not None
    np.testing.assert_array_equal(recovered.health.statuses, take.health.statuses)
    np.testing.assert_array_equal(recovered.joint_positions, take.joint_positions)
