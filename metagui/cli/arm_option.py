"""The arm that a verb works with: the simulated one, or one on a cable, for which a person says where things stand."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.output import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.arms.simulation.twinned_arm import TwinnedArm

ArmAddress = Annotated[
    str | None, typer.Option("--arm", help="An arm on a cable, by name or port; the simulated one if not given.")
]
ObjectPlacements = Annotated[
    list[str] | None,
    typer.Option(
        "--put",
        help="Where a thing stands on a real arm's table, in m from its base, and its turn in degrees: "
        "'red cube=0.20,0.05' or 'red cube=0.20,0.05,30'; repeat for more.",
    ),
]


@contextlib.contextmanager
def connect_arm(
    address: str | None, placements: Sequence[str] | None, seed: int
) -> Iterator[SimulatedArm | TwinnedArm]:
    """Connect the arm of an address, or the simulated one in the scene of ``seed``; it holds at the end.

    Raises ArmError, VerbError.
    """
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.arms.so101.arm_registry import make_twinned_arm

    arm: SimulatedArm | TwinnedArm = SimulatedArm(seed) if address is None else make_twinned_arm(address)
    for place in placements or ():
        arm.place_object(*_parse_placement(place))
    arm.connect()
    try:
        yield arm
    finally:
        arm.disconnect()


def _parse_placement(text: str) -> tuple[str, float, float, float]:
    """Read ``name=x,y[,degrees]``. Raises VerbError."""
    name, _, numbers = text.partition("=")
    try:
        x, y, *turn = (float(number) for number in numbers.split(","))
        (degrees,) = turn or (0.0,)
    except ValueError:
        raise CommandError(
            f"--put {text!r} must be a name and numbers, such as 'red cube=0.20,0.05'. Nothing moved."
        ) from None
    return name.strip(), x, y, math.radians(degrees)
