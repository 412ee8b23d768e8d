"""Touches of the mat's crosses, one after the other, and what follows from them. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.cameras.mat import CORNER_NAMES
from metagui.vision.registration import fit_registration

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.cameras.mat import Mat
    from metagui.vision.registration import Registration


class Touches:
    """Joint angles at which the closed finger tips touched the crosses so far."""

    def __init__(self) -> None:
        self._angles: list[FloatArray] = []

    def __len__(self) -> int:
        return len(self._angles)

    @property
    def is_complete(self) -> bool:
        """True once all crosses were touched."""
        return len(self) == len(CORNER_NAMES)

    @property
    def next_name(self) -> str:
        """Where the next cross is; empty after the last."""
        return "" if self.is_complete else CORNER_NAMES[len(self)]

    def add(self, angles: FloatArray) -> None:
        """Note the joint angles (J,), rad, of the next touch."""
        self._angles.append(np.array(angles))

    def clear(self) -> None:
        """Begin again."""
        self._angles.clear()

    def fit(self, mat: Mat) -> Registration:
        """Return where the mat lies. Raises TouchError, which names the touch that is farthest off."""
        return fit_registration(np.array(self._angles), mat)
