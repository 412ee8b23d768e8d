"""Correct the joint velocities of simulated takes that version 0.1 recorded: ``scripts/correct_velocities.py FOLDER``.

That version stored the velocities at the end of a control period, where a joint that follows targets in steps is almost
at rest. Present versions store the mean velocity over the period, as a servo reports it. The joint angles in the stored
states have the precision for that. Everything else in the files stays as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_ANGLE_COLUMN = 1
"""Column of ``states`` with the angle of the first joint; the time is before it."""
ANGLE_TOLERANCE_RAD = 1e-5
"""Largest difference between the angles in ``states`` and in ``obs``, rad."""


def compute_mean_velocities(angles: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean velocities (N, J), rad/s, over the period before each sample; ``first`` (J,) for the first."""
    return np.concatenate([first[None], np.diff(angles, axis=0) / CONTROL_PERIOD_S])


def correct_take(path: Path) -> float:
    """Correct a take in place; return the largest change, rad/s. Raises ValueError for a take without states."""
    with h5py.File(path, "r+") as file:
        demo = file["data/demo_0"]
        stored = demo["obs/joint_velocities"][:]
        joints = slice(FIRST_ANGLE_COLUMN, FIRST_ANGLE_COLUMN + stored.shape[1])
        angles = demo["states"][:, joints] if "states" in demo else np.empty(0)
        if angles.shape != stored.shape or np.abs(angles - demo["obs/joint_positions"][:]).max() > ANGLE_TOLERANCE_RAD:
            raise ValueError(f"{path} has no states of a simulated arm; it was not changed")
        velocities = compute_mean_velocities(angles, stored[0]).astype(stored.dtype)
        demo["obs/joint_velocities"][:] = velocities
        demo["next_obs/joint_velocities"][:] = np.concatenate([velocities[1:], velocities[-1:]])
    return float(np.abs(velocities - stored).max())


def main() -> None:
    """Correct all takes in the folders and print what changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="folder with takes, such as recordings")
    for folder in parser.parse_args().folder:
        for path in sorted(folder.rglob("*.hdf5")):
            print(f"{path}: changed by at most {correct_take(path):.2f} rad/s")


if __name__ == "__main__":
    main()
