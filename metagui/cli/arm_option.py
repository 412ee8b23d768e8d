"""Options that choose an arm and place objects on its table, for the commands that move an arm."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.output import CommandError, print_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.arms.simulation.twinned_arm import TwinnedArm

ArmAddress = Annotated[
    str | None, typer.Option("--arm", help="Name or port of a real arm; the simulated arm if not given.")
]
ObjectPlacements = Annotated[
    list[str] | None,
    typer.Option(
        "--object",
        "--put",
        help="Position of an object on the table, m from the arm's base, and its yaw in degrees: "
        "'red cube=0.20,0.05' or 'red cube=0.20,0.05,30'. Repeat for more objects.",
    ),
]

TableName = Annotated[
    str | None,
    typer.Option(
        "--table", help="Table of the simulated arm: a name (`metagui tables` lists them) or the path of a JSON file."
    ),
]


@contextlib.contextmanager
def connect_arm(
    address: str | None, placements: Sequence[str] | None, seed: int, table: str | None = None
) -> Iterator[SimulatedArm | TwinnedArm]:
    """Connect the arm at an address, or the simulated arm in the scene of ``seed`` on a table; it holds at the end.

    Raises ArmError, CommandError.
    """
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.arms.simulation.twinned_arm import TwinnedArm
    from metagui.arms.so101.arm_registry import make_twinned_arm
    from metagui.arms.tables.table_store import DEFAULT_TABLE_NAME, TableStore

    if table is not None and address is not None:
        raise CommandError("--table is for the simulated arm; it cannot be combined with --arm. Nothing moved.")
    arm: SimulatedArm | TwinnedArm
    if address is None:
        arm = SimulatedArm(seed, table=TableStore().resolve(table or DEFAULT_TABLE_NAME))
    else:
        arm = make_twinned_arm(address)
    for placement in placements or ():
        arm.place_object(*parse_placement(placement))
    arm.connect()
    try:
        for warning in arm.list_warnings() if isinstance(arm, TwinnedArm) else ():
            print_note(warning)
        yield arm
    finally:
        arm.disconnect()


def parse_placement(text: str) -> tuple[str, float, float, float]:
    """Parse ``name=x,y[,degrees]`` into name, x and y in m and yaw in rad. Raises CommandError."""
    name, _, numbers = text.partition("=")
    try:
        x, y, *yaw = (float(number) for number in numbers.split(","))
        (degrees,) = yaw or (0.0,)
    except ValueError:
        raise CommandError(
            f"--object {text!r} must be a name and numbers, such as 'red cube=0.20,0.05'. Nothing moved."
        ) from None
    return name.strip(), x, y, math.radians(degrees)
