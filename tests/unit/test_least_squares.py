import numpy as np
import pytest

from metagui.least_squares import minimise_squares


def test_rosenbrock_valley_is_followed_to_its_end():
    found = minimise_squares(lambda p: np.array([10 * (p[1] - p[0] ** 2), 1 - p[0]]), np.array([-1.2, 1.0]), 200)
    assert found == pytest.approx([1.0, 1.0], abs=1e-6)


def test_parameters_without_influence_stay():
    found = minimise_squares(lambda p: np.array([p[0] - 2.0]), np.array([0.0, 5.0]))
    assert found == pytest.approx([2.0, 5.0])
