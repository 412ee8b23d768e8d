"""Where the mat lies before an arm, and the zeros of the arm's joints, from touches of the mat's crosses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metagui.arms.so101.zero_fit import ZeroFit, fit_zeros
from metagui.cameras.mat import make_nominal_pose

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.cameras.mat import Mat
    from metagui.vision.setup import CameraSetup


@dataclass(frozen=True)
class Registration:
    """Result of touching the crosses of a mat."""

    mat: Mat
    """The mat."""
    fit: ZeroFit
    """Corrections of the zeros, and the distances of the touches."""

    @property
    def shift(self) -> tuple[float, float]:
        """Shift of the mat's centre from where it belongs, m."""
        nominal = self.mat.nominal_position
        x, y, _ = self.fit.place(nominal) - nominal
        return float(x), float(y)

    def apply(self, setup: CameraSetup) -> CameraSetup:
        """Return a set-up with the mat where the touches found it."""
        return replace(
            setup,
            paper=self.mat.name,
            shift=self.shift,
            turn=self.fit.pose[2],
            residual=float(self.fit.distances.max()),
        )

    def describe(self) -> str:
        """Return the result for a person."""
        x, y = (1000 * each for each in self.shift)
        return (
            f"The mat lies {math.hypot(x, y):.0f} mm and {math.degrees(self.fit.pose[2]):.1f}° from where it belongs. "
            f"The touches agree to {self.fit.distances.max() * 1000:.1f} mm."
        )


def fit_registration(angles: FloatArray, mat: Mat) -> Registration:
    """Return where a mat lies whose crosses were touched, in their order, at joint angles (N, J), rad.

    Raises TouchError, which names the touch that is farthest off, if they do not fit.
    """
    fit = fit_zeros(angles, make_nominal_pose(mat).to_base(mat.crosses[: len(angles)]), is_place_known=False)
    fit.require_good()
    return Registration(mat, fit)
