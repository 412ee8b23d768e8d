"""``metagui emulate-camera``: a rendered camera in a process of its own, as a stream on the loopback."""

import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.options import Seed

if TYPE_CHECKING:
    from metagui.cameras.capture.rendered import RenderedCamera


class FaultName(StrEnum):
    """Faults of a rendered camera; the values of ``CameraFault``."""

    KNOCKED = "knocked"
    UNPLUGGED = "unplugged"
    DARK = "dark"
    BLURRED = "blurred"
    GLARE = "glare"
    COVERED = "covered"
    FROZEN = "frozen"


@app.command("emulate-camera", cls=CommandWithAliases)
def emulate_camera(
    table_port: Annotated[
        int | None, typer.Option(help="Port of `metagui emulate-arm --table-port`; a table of its own if not given.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the stream; a free one if 0.")] = 0,
    paper: Annotated[str, typer.Option(help="Paper of the mat: A4, Letter or A3.")] = "A4",
    rate: Annotated[float, typer.Option(min=0.5, max=60.0, help="Pictures per second.")] = 10.0,
    fault: Annotated[list[FaultName] | None, typer.Option(help="Fault from the start. Repeatable.")] = None,
    seed: Seed = 0,
) -> None:
    """Show an emulated table as a webcam sees it, until Ctrl+C: prints the address of a stream on this machine only.

    A POST request to /faults/NAME of the stream's port switches a fault on or off.
    """
    from metagui.arms.simulation import opengl

    opengl.choose_backend()
    import numpy as np

    from metagui.arms.emulator.table_server import TableClient
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.cameras.capture.rendered import Optics, RenderedCamera
    from metagui.cameras.mat import find_mat
    from metagui.cli.signals import stop_on_signals
    from metagui.emulated_camera import EmulatedCameraTable, draw_camera_view

    read_state = SimulatedArm(seed).get_state if table_port is None else TableClient(table_port).read_state
    table = EmulatedCameraTable(find_mat(paper), read_state)
    view = draw_camera_view(np.random.default_rng(seed))
    camera = RenderedCamera(table.render, view, Optics(supersampling=1.0), seed, rate)
    camera.faults.update(each.value for each in fault or ())
    _serve(camera, port, stop_on_signals())
    table.close()


def _serve(camera: "RenderedCamera", port: int, stop: threading.Event) -> None:
    """Publish the camera's pictures until ``stop`` is set; an unplugged camera ends the streams of its clients."""
    from metagui.cameras.camera import CameraLostError
    from metagui.cameras.capture.rendered import CAMERA_FAULTS
    from metagui.cameras.capture.stream_server import StreamServer

    def switch(name: str) -> bool:
        for each in CAMERA_FAULTS:
            if each == name:
                camera.faults ^= {each}
                return True
        return False

    with StreamServer(port, switch) as server:
        typer.echo(server.url)
        while not stop.is_set():
            try:
                server.publish(camera.read())
            except CameraLostError:
                server.drop_clients()
                stop.wait(0.1)
