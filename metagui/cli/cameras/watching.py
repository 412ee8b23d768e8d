"""Option that puts a camera over the table of a real arm, for the commands that move an arm."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.output import CommandError, print_note

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.arms.simulation.twinned_arm import TwinnedArm
    from metagui.vision.setup import CameraSetup
    from metagui.vision.table_watch import TableWatch

WAIT_S = 20.0
"""Longest wait for the needed objects to be seen, s."""
CameraAddress = Annotated[
    str | None,
    typer.Option(
        "--camera",
        help="Camera over the table: a webcam's identity (`metagui cameras` lists them) or a stream's address. The "
        "objects are where it sees their tags.",
    ),
]


@contextlib.contextmanager
def watch_table(arm: SimulatedArm | TwinnedArm, camera: str | None) -> Iterator[TableWatch | None]:
    """Watch the table of a connected arm with a camera, if one is given. Raises CommandError, CameraSetupError."""
    from metagui.arms.simulation.twinned_arm import TwinnedArm
    from metagui.cameras.capture.webcam import Webcam
    from metagui.vision.table_watch import TableWatch

    if camera is None:
        yield None
        return
    if not isinstance(arm, TwinnedArm):
        raise CommandError("The simulated arm knows its table without a camera: leave out --camera. Nothing moved.")
    watch = TableWatch(arm, Webcam(camera), find_setup(arm.name, camera))
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def find_setup(arm: str, camera: str) -> CameraSetup:
    """Return the stored set-up for an arm with this camera, or one whose mat lies as it should."""
    from dataclasses import replace

    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.vision.setup import CameraSetup, load_setup, setups_folder

    stored = load_setup(setups_folder(ArmRegistry().folder), arm)
    return CameraSetup(camera) if stored is None else replace(stored, address=camera)


def require_seen(watch: TableWatch | None, names: Collection[str]) -> None:
    """Wait until a camera sees the objects; does nothing without one. Raises CommandError, which names the unseen."""
    if watch is None:
        return
    problem = watch.wait_until_seen(sorted(names), WAIT_S)
    if problem:
        raise CommandError(problem)
    sight = watch.sight
    seen = [] if sight is None else sorted(sight.scene.objects)
    print_note(f"The camera sees {', '.join(seen) or 'no object'}.")
