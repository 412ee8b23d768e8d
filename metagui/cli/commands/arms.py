"""Commands for the real and the emulated arm: ``arms``, ``relax``, ``calibrate``, ``setup-motors``, ``emulate-arm``."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
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


class LatencyName(StrEnum):
    """Adapters with a known latency; the keys of ``LATENCY_PROFILES``."""

    CH343 = "ch343"
    CP210X = "cp210x"
    FTDI = "ftdi"
    FTDI_UNALIGNED = "ftdi-unaligned"
    FTDI_1MS = "ftdi-1ms"
    HUB = "hub"
    NETWORK = "network"


class ArmModelName(StrEnum):
    """Models of arms; the values of ``ArmModel``."""

    SO101 = "so101"
    SO100 = "so100"


class MotorVoltage(StrEnum):
    """Voltages for which motors are made, V."""

    LOW = "7.4"
    HIGH = "12"


Trims = Annotated[
    list[str] | None,
    typer.Option("--trim", metavar="JOINT=DEGREES", help="Correct the zero of a joint of the arm NAME; nothing moves."),
]
Touches = Annotated[
    list[str] | None,
    typer.Option(
        "--touch",
        metavar="X,Y[,Z]|PAPER",
        help="Correct the zeros of the arm NAME by touching points with the closed gripper's tips: three or more, m "
        "from the arm's base, or the crosses of the printed mat (A4, Letter, A3).",
    ),
]


@app.command(cls=CommandWithAliases)
def arms(
    details: Annotated[
        bool, typer.Option("--details", help="List the motors too: model, supply, temperature, load, faults.")
    ] = False,
    port: Annotated[
        list[str] | None, typer.Option(help="Port whose motors are listed; all USB ports if not given. Repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the USB serial ports with the arms on them, the named arms that are not plugged in, and calibrations."""
    from metagui.arms.feetech.serial_port import list_usb_ports
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.cli.motor_tools import describe_calibration, print_motors

    registry = ArmRegistry()
    named = {arm.name: describe_calibration(registry, arm.name) for arm in registry.list_arms()}
    found = [asdict(port) | {"adapter": port.adapter, "name": registry.find_name(port)} for port in list_usb_ports()]
    rows = [
        (port["device"], port["name"] or "", port["adapter"] or port["description"], named.get(port["name"] or "", ""))
        for port in found
    ]
    elsewhere = [arm for arm in registry.list_arms() if arm.name not in {port["name"] for port in found}]
    rows += [(arm.device, arm.name, _describe_location(arm.device, arm.vendor), named[arm.name]) for arm in elsewhere]
    document: dict[str, Any] = {"ports": found, "elsewhere": [asdict(arm) for arm in elsewhere], "calibrations": named}
    if details or port:
        document["motors"] = print_motors(registry, port or [entry["device"] for entry in found], as_json)
    if as_json or not port:
        print_result(document, ("port", "arm", "adapter", "calibration"), rows, as_json)
    if not found:
        print_note("No arm is plugged in. `metagui emulate-arm` makes one to try things on.")


@app.command(cls=CommandWithAliases)
def relax(
    arm: Annotated[str, typer.Option(help="Name or port of the arm; `metagui arms` lists them.")],
    seconds: Annotated[int, typer.Option(min=0, max=60, help="Length of the countdown, s.")] = 5,
) -> None:
    """Let an arm go gently: after a countdown its torque falls over three seconds, then it is limp. Ctrl+C cancels."""
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.cli.motor_tools import relax_arm

    relax_arm(ArmRegistry(), arm, seconds)
    print_note("The arm is limp.")


@app.command(cls=CommandWithAliases)
def calibrate(
    port: Annotated[str | None, typer.Option(help="Port of the arm; `metagui arms` lists the ports.")] = None,
    name: Annotated[str | None, typer.Option(help="Name the arm, and store a copy of the calibration.")] = None,
    file: Annotated[
        Path | None, typer.Option("--import", help="Import a LeRobot calibration file instead of moving the joints.")
    ] = None,
    trim: Trims = None,
    touch: Touches = None,
    model: Annotated[ArmModelName | None, typer.Option(help="Model of the arm; guessed or asked if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate an arm by moving every joint by hand between its stops. Ctrl+C cancels and changes nothing."""
    from metagui.arms.so101.arm_registry import ArmRegistry, check_name
    from metagui.arms.so101.motors import open_for_setup
    from metagui.arms.so101.stops import ArmModel
    from metagui.cli.motor_tools import choose_model, import_file, touch_points, trim_zeros

    if trim:
        trim_zeros(name, trim, as_json)
        return
    if touch:
        touch_points(name, touch, as_json)
        return
    if port is None:
        raise typer.BadParameter("give the port of the arm", param_hint="--port")
    if name is not None:
        check_name(name)
    chosen = None if model is None else ArmModel(model)
    imported = None if file is None else import_file(file, chosen)
    registry = ArmRegistry()
    with open_for_setup(port, registry.open_port) as chain:
        calibration, doubts = imported or choose_model(_run_sweep(chain), chosen)
        chain.write_calibration(calibration)
    if name is not None:
        registry.register(name, port)
        registry.save_calibration(name, calibration)
    _print_calibration(calibration, as_json)
    for doubt in doubts:
        print_note(doubt)


@app.command("number-servos", cls=CommandWithAliases, hidden=True)
@app.command("setup-motors", cls=CommandWithAliases)
def setup_motors(
    port: Annotated[str, typer.Option(help="Port of the board; `metagui arms` lists the ports.")],
    joint: Annotated[str | None, typer.Option(help="Set the id of this joint's motor only.")] = None,
) -> None:
    """Give new motors the ids of an SO-101, each connected alone, before the arm is built. Ctrl+C ends it."""
    from metagui.arms.kinematics import JOINTS
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.motor_setup import NotSingleServoError, assign_id
    from metagui.arms.so101.motors import SERVO_IDS

    ids = {each.name: servo_id for each, servo_id in zip(JOINTS, SERVO_IDS, strict=True)}
    if joint is not None and joint not in ids:
        raise typer.BadParameter(f"there is no {joint}; the joints are {', '.join(ids)}")
    line = ArmRegistry().open_port(port)
    try:
        for name, servo_id in [(joint, ids[joint])] if joint else reversed(ids.items()):
            while True:
                typer.prompt(f"Connect the motor of {name} alone, then press Return", "", False, err=True)
                try:
                    old = assign_id(line, servo_id)
                except NotSingleServoError as error:
                    print_note(str(error))
                else:
                    break
            typer.echo(f"{name}: id {servo_id}, was {old}")
    finally:
        line.close()


@app.command("virtual-arm", cls=CommandWithAliases, hidden=True)
@app.command("emulate-arm", cls=CommandWithAliases)
def emulate_arm(
    seed: Seed = 0,
    uncalibrated: Annotated[
        bool, typer.Option("--uncalibrated", "--new", help="Start as a new arm, which must be calibrated first.")
    ] = False,
    hand_guided: Annotated[
        bool, typer.Option("--hand-guided", "--hands", help="While its torque is off, move its joints as a hand would.")
    ] = False,
    lost: Annotated[float, typer.Option(min=0.0, max=1.0, help="Fraction of replies that are lost.")] = 0.0,
    corrupted: Annotated[float, typer.Option(min=0.0, max=1.0, help="Fraction of replies with a wrong bit.")] = 0.0,
    echo: Annotated[bool, typer.Option("--echo", help="Repeat what is sent, as some adapters do.")] = False,
    ideal: Annotated[
        bool, typer.Option("--ideal", help="Stops of the model, no play and no sag, instead of those of a real arm.")
    ] = False,
    motors: Annotated[int, typer.Option(min=1, max=12, help="Number of motors, with the ids from 1 on.")] = 6,
    latency: Annotated[
        LatencyName | None, typer.Option(help="Latency of this adapter; a pseudo-terminal has none.")
    ] = None,
    motor_voltage: Annotated[
        MotorVoltage, typer.Option(help="Voltage for which the motors are made, V.")
    ] = MotorVoltage.LOW,
    supply: Annotated[float | None, typer.Option(min=0.0, max=25.0, help="Voltage of the supply, V.")] = None,
    model: Annotated[ArmModelName, typer.Option(help="Model of the arm.")] = ArmModelName.SO101,
    table_port: Annotated[
        int | None, typer.Option(help="Show the table to `metagui emulate-camera` at this port.")
    ] = None,
) -> None:
    """Emulate an SO-101 on a serial port in real time, until Ctrl+C, with the stops, play and sag of a real arm."""
    from metagui.arms.emulator.emulated_bus import FaultInjector
    from metagui.arms.so101.stops import ArmModel
    from metagui.cli.motor_tools import make_emulated_arm, serve_emulated_arm

    faults = FaultInjector(lost=lost, corrupted=corrupted, echo=echo, seed=seed)
    arm = make_emulated_arm(seed, faults, ideal, motors, hand_guided, ArmModel(model))
    arm.set_voltages(float(motor_voltage), supply)
    if not uncalibrated:
        arm.calibrate()
    serve_emulated_arm(arm, latency, table_port)


def _describe_location(device: str, vendor: int | None) -> str:
    """Return where a named arm that is on no USB port may be."""
    is_other_port = vendor is None and Path(device).exists()
    return "a port that is not on USB" if is_other_port else "not plugged in; this was its last port"


def _run_sweep(chain: "ServoChain") -> "ArmCalibration":
    """Run the calibration sweep, showing the travel of every joint."""
    from rich.console import Console
    from rich.live import Live

    from metagui.arms.so101.range_of_motion import run_sweep
    from metagui.cli.signals import interruptible

    print_note("The torque is switched off: hold the arm. Move every joint by hand from stop to stop.")
    steps = run_sweep(chain)
    try:
        with interruptible(), Live(console=Console(stderr=True), refresh_per_second=15, transient=True) as live:
            while True:
                live.update(_make_bars(next(steps)))
    except StopIteration as end:
        found: ArmCalibration = end.value
        return found
    except KeyboardInterrupt:
        raise CommandError("Cancelled. Nothing was written to the arm; its torque is off.") from None


def _make_bars(joints: "Sequence[JointSweep]") -> "Table":
    """Return a table with a bar for the travel of every joint."""
    from rich.table import Table

    table = Table(box=None)
    for joint in joints:
        filled = round(min(joint.travel_fraction, 1.0) * BAR_WIDTH_CHARACTERS)
        bar = "█" * filled + "░" * (BAR_WIDTH_CHARACTERS - filled)
        table.add_row(joint.name, bar, f"{joint.travel_fraction:.0%} of the model's", joint.problem or "done")
    return table


def _print_calibration(found: "ArmCalibration", as_json: bool) -> None:
    """Print a calibration that was written to an arm."""
    from metagui.arms.kinematics import JOINTS

    rows = [
        (joint.name, values.id, values.homing_offset, values.range_min, values.range_max)
        for joint, values in zip(JOINTS, found.joints, strict=True)
    ]
    document = json.loads(found.to_json())
    print_result(document, ("joint", "motor", "offset", "minimum", "maximum"), rows, as_json, "Written to the arm")
