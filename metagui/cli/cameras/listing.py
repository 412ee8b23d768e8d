"""``metagui cameras``: list the webcams, and try one."""

from dataclasses import asdict
from typing import Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.options import AsJson
from metagui.cli.output import print_note, print_result


@app.command("cameras", cls=CommandWithAliases)
def list_cameras(
    test: Annotated[
        str | None, typer.Option("--try", help="Open this camera or stream, and say whether it sees the mat.")
    ] = None,
    paper: Annotated[str, typer.Option(help="Paper of the mat: A4, Letter or A3.")] = "A4",
    as_json: AsJson = False,
) -> None:
    """List the webcams by the identity that they keep, or try a camera or stream and say what it sees."""
    from metagui.cameras.capture.webcam import list_webcams

    if test is not None:
        _try_camera(test, paper, as_json)
        return
    found = list_webcams()
    rows = [(each.identity, each.name, each.path, "yes" if each.permitted else "no") for each in found]
    print_result([asdict(each) for each in found], ("camera", "name", "device", "may be opened"), rows, as_json)
    if not found:
        print_note("No webcam is plugged in. `metagui emulate-camera` makes one to try things on.")


def _try_camera(address: str, paper: str, as_json: bool) -> None:
    """Open a camera, and print its format, the tags in a picture, and its pose over the mat. Raises CameraError."""
    import contextlib
    import math

    from metagui.cameras.capture.webcam import Webcam
    from metagui.cameras.mat import find_mat
    from metagui.cameras.mat_view import MatNotSeenError, solve_mat_view
    from metagui.cameras.picture_checks import explain_unseen
    from metagui.cameras.tags import TagDetector

    mat, detector, camera = find_mat(paper), TagDetector(), Webcam(address)
    camera.open()
    with contextlib.closing(camera):
        frame = camera.read()
    tags = detector.detect(frame.picture)
    document: dict[str, object] = {"format": str(camera.format), "tags": [tag.id for tag in tags]}
    try:
        solved = solve_mat_view(tags, mat, frame.size)
        document |= {
            "tilt": round(math.degrees(solved.view.tilt), 1),
            "height": round(float(solved.view.position[2]), 3),
            "focal_length": round(solved.view.focal_length, 1),
            "residual": round(solved.residual, 2),
        }
        verdict = f"the whole mat, from {document['height']} m above it, {document['tilt']}° to the vertical"
    except MatNotSeenError as error:
        verdict = explain_unseen(frame.picture, detector) or str(error)
    document["verdict"] = verdict
    rows = [(key, value) for key, value in document.items()]
    print_result(document, ("what", "found"), rows, as_json)
