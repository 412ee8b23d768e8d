"""``metagui number-servos``: gives the servos of an arm that is being built their ids."""

from typing import Annotated

import typer

from metagui.cli.app import app
from metagui.cli.output import remark


@app.command("number-servos")
def number_servos(
    port: Annotated[str, typer.Option(help="The board's port; `metagui arms` lists them.")],
    joint: Annotated[str | None, typer.Option(help="Number the servo of this joint only.")] = None,
) -> None:
    """Give new servos the ids of an SO-101, each connected alone, before the arm is built. Control-C ends it."""
    from metagui.arms.feetech.serial_port import SerialPort
    from metagui.arms.kinematics import JOINTS
    from metagui.arms.so101.motor_setup import NotAloneError, number
    from metagui.arms.so101.motors import IDS

    names = {each.name: ident for each, ident in zip(JOINTS, IDS, strict=True)}
    if joint is not None and joint not in names:
        raise typer.BadParameter(f"there is no {joint}; the joints are {', '.join(names)}")
    line = SerialPort(port)
    try:
        for name, ident in [(joint, names[joint])] if joint else reversed(names.items()):
            while True:
                typer.prompt(f"Connect the servo of {name} alone, then press Return", "", False, err=True)
                try:
                    old = number(line, ident)
                except NotAloneError as error:
                    remark(str(error))
                else:
                    break
            typer.echo(f"{name}: id {ident}, was {old}")
    finally:
        line.close()
