"""``metagui number-servos``: gives the servos of an arm that is being built their ids."""

from typing import Annotated

import typer

from metagui.cli.app import app
from metagui.cli.output import print_note


@app.command("number-servos")
def setup_motors(
    port: Annotated[str, typer.Option(help="The board's port; `metagui arms` lists them.")],
    joint: Annotated[str | None, typer.Option(help="Number the servo of this joint only.")] = None,
) -> None:
    """Give new servos the ids of an SO-101, each connected alone, before the arm is built. Control-C ends it."""
    from metagui.arms.feetech.serial_port import SerialPort
    from metagui.arms.kinematics import JOINTS
    from metagui.arms.so101.motor_setup import NotSingleServoError, assign_id
    from metagui.arms.so101.motors import SERVO_IDS

    names = {each.name: ident for each, ident in zip(JOINTS, SERVO_IDS, strict=True)}
    if joint is not None and joint not in names:
        raise typer.BadParameter(f"there is no {joint}; the joints are {', '.join(names)}")
    line = SerialPort(port)
    try:
        for name, ident in [(joint, names[joint])] if joint else reversed(names.items()):
            while True:
                typer.prompt(f"Connect the servo of {name} alone, then press Return", "", False, err=True)
                try:
                    old = assign_id(line, ident)
                except NotSingleServoError as error:
                    print_note(str(error))
                else:
                    break
            typer.echo(f"{name}: id {ident}, was {old}")
    finally:
        line.close()
