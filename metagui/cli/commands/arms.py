"""``metagui arms``, ``metagui calibrate`` and ``metagui virtual-arm``: an arm on a cable, or one as good as that."""

import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.app import app
from metagui.cli.options import AsJson, Seed
from metagui.cli.output import CommandError, print_note, print_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.arms.so101.motors import ServoChain
    from metagui.arms.so101.range_of_motion import JointSweep

BAR_WIDTH_CHARACTERS = 24
"""Width of a joint's bar, characters."""


@app.command()
def arms(as_json: AsJson = False) -> None:
    """List the serial ports on USB, which named arm is on which, and the named ones that are elsewhere."""
    from metagui.arms.feetech.serial_port import list_usb_ports
    from metagui.arms.so101.arm_registry import ArmRegistry

    book = ArmRegistry()
    found = [asdict(port) | {"adapter": port.adapter, "name": book.find_name(port)} for port in list_usb_ports()]
    rows = [(port["device"], port["name"] or "", port["adapter"] or port["description"]) for port in found]
    elsewhere = [arm for arm in book.list_arms() if arm.name not in {port["name"] for port in found}]
    rows += [(arm.device, arm.name, _describe_location(arm.device, arm.vendor)) for arm in elsewhere]
    document = {"ports": found, "elsewhere": [asdict(arm) for arm in elsewhere]}
    print_result(document, ("port", "arm", "adapter"), rows, as_json)
    if not found:
        print_note("Nothing is plugged in. `metagui virtual-arm` makes an arm to try things on.")


@app.command()
def calibrate(
    port: Annotated[str, typer.Option(help="The arm's port; `metagui arms` lists them.")],
    name: Annotated[str | None, typer.Option(help="Call the arm this from now on, and keep a copy.")] = None,
    file: Annotated[
        Path | None, typer.Option("--import", help="Take over a LeRobot calibration instead of moving the joints.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lead every joint from stop to stop by hand; ends by itself. Control-C cancels and changes nothing."""
    from metagui.arms.so101.arm_registry import ArmRegistry, check_name
    from metagui.arms.so101.calibration import load
    from metagui.arms.so101.motors import open_for_setup

    if name is not None:
        check_name(name)
    known = None if file is None else load(file)
    with open_for_setup(port) as chain:
        found = known or _run_sweep(chain)
        chain.write_calibration(found)
    book = ArmRegistry()
    if name is not None:
        book.register(name, port)
        found.save(book.calibration_path(name))
    _print_calibration(found, as_json)


@app.command("virtual-arm")
def emulate_arm(
    seed: Seed = 0,
    new: Annotated[bool, typer.Option("--new", help="As from the factory: it has to be calibrated first.")] = False,
    hands: Annotated[
        bool, typer.Option("--hands", help="While it is limp, lead its joints through their travel, again and again.")
    ] = False,
    lost: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of replies that get lost.")] = 0.0,
    corrupted: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of replies with a wrong bit.")] = 0.0,
    echo: Annotated[bool, typer.Option("--echo", help="Repeat what is sent, as some adapters do.")] = False,
) -> None:
    """Serve a virtual SO-101 on a serial port of its own, in real time, until Control-C."""
    import itertools

    import numpy as np

    from metagui.arms.emulator.emulated_arm import EmulatedArm
    from metagui.arms.emulator.emulated_bus import FaultInjector
    from metagui.arms.emulator.guided_sweep import sweep_by_hand
    from metagui.arms.emulator.pty_server import serve
    from metagui.arms.simulation.simulated_arm import SimulatedArm

    mounts = np.random.default_rng(seed).integers(0, 4096, 6)
    arm = EmulatedArm(
        SimulatedArm(seed), mounts.tolist(), FaultInjector(lost=lost, corrupted=corrupted, echo=echo, seed=seed)
    )
    if not new:
        arm.calibrate()
    if hands:
        arm.follow_hand_path(itertools.chain.from_iterable(sweep_by_hand() for _ in itertools.count()))
    stop = threading.Event()
    # Handlers of our own: a program started in the background of a script inherits an ignored Control-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    serve(arm, typer.echo, stop)


def _describe_location(device: str, vendor: int | None) -> str:
    """Say of a named arm that is on no USB port where it may be."""
    there = vendor is None and Path(device).exists()
    return "a port that is not on USB" if there else "not plugged in; it was here last"


def _run_sweep(chain: "ServoChain") -> "ArmCalibration":
    """Let a person move the joints, and show how far each has come."""
    from rich.console import Console
    from rich.live import Live

    from metagui.arms.so101.range_of_motion import run_sweep
    from metagui.cli.signals import interruptible

    print_note("The arm goes limp: hold it. Lead every joint from stop to stop.")
    steps = run_sweep(chain)
    try:
        with interruptible(), Live(console=Console(stderr=True), refresh_per_second=15, transient=True) as live:
            while True:
                live.update(_make_bars(next(steps)))
    except StopIteration as end:
        found: ArmCalibration = end.value
        return found
    except KeyboardInterrupt:
        raise CommandError("Cancelled. Nothing was written to the arm; it is limp.") from None


def _make_bars(joints: "Sequence[JointSweep]") -> "Table":
    from rich.table import Table

    table = Table(box=None)
    for joint in joints:
        filled = round(min(joint.travel_fraction, 1.0) * BAR_WIDTH_CHARACTERS)
        bar = "█" * filled + "░" * (BAR_WIDTH_CHARACTERS - filled)
        table.add_row(joint.name, bar, f"{joint.travel_fraction:.0%} of the model's", joint.problem or "done")
    return table


def _print_calibration(found: "ArmCalibration", as_json: bool) -> None:
    import json

    from metagui.arms.kinematics import JOINTS

    rows = [
        (joint.name, values.id, values.homing_offset, values.range_min, values.range_max)
        for joint, values in zip(JOINTS, found.joints, strict=True)
    ]
    document = json.loads(found.to_json())
    print_result(document, ("joint", "servo", "offset", "lowest", "highest"), rows, as_json, "Written to the arm")
