"""Composition root, which connects all parts of the program; ``main`` opens the window."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING

from metagui.arms.simulation.opengl import choose_backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtCore import QSettings

    from metagui.arms.feetech.serial_port import UsbPort
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.arm.capabilities import SceneArm
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.countdown import Countdown
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.theme.theme import Theme
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session
    from metagui.gui.window.session_parts import ArmParts, ExecutionParts, LearningParts, RecordingParts, TeachingParts
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.encoder_file import CalibratedEncoder

APPLICATION_NAME = "metagui"


def main(argv: list[str] | None = None) -> int:
    """Open the window and run until it is closed; return the exit status."""
    prepare_process()
    from PySide6.QtWidgets import QApplication

    from metagui.gui.core.stored_choices import open_settings, read_value
    from metagui.gui.theme.theme import Theme, parse_theme_choice
    from metagui.gui.window.window_host import WindowHost
    from metagui.log_file import start_log

    app = QApplication.instance() or QApplication(sys.argv if argv is None else argv)
    app.setApplicationName(APPLICATION_NAME)
    app.setOrganizationName(APPLICATION_NAME)
    QApplication.setDesktopFileName(APPLICATION_NAME)  # by which the desktop finds name and icon
    start_log()
    settings, problem = open_settings()
    if problem:
        logging.getLogger(__name__).warning(problem)
    theme = Theme(parse_theme_choice(read_value(settings, "window/colours")))
    theme.apply()
    host = WindowHost(partial(_make_library_window, theme, settings), settings)
    host.open_first()
    return int(app.exec())


def _make_library_window(theme: Theme, settings: QSettings, folder: Path) -> MainWindow:
    """Make the window of a library."""
    return make_window(theme, settings, folder=folder)


def prepare_process() -> None:
    """Prepare the process before other imports: choose OpenGL, and load no libraries that cannot coexist."""
    choose_backend()
    # torch imports triton where its builds for CUDA are installed. Triton's LLVM and that of Mesa's software renderer
    # crash a process that loads both. Nothing here compiles by triton, and torch takes None as "not installed".
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
    if sys.platform == "win32":
        import torch  # noqa: F401


def make_window(
    theme: Theme,
    settings: QSettings,
    seed: int | None = None,
    prior: Path | None = None,
    registry: ArmRegistry | None = None,
    folder: Path | None = None,
) -> MainWindow:
    """Make the window with all its parts, the simulated arm and a library, by default the one of ``recordings_dir``.

    ``seed`` makes new scenes repeatable, ``prior`` is the file of a prior to use instead of the library's own or the
    shipped one, ``registry`` replaces the user's registry of arms.
    """
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.demonstrations.storage.library import Library
    from metagui.paths import examples_dir, recordings_dir

    default = recordings_dir()
    root = folder or default
    library = Library(root, examples_dir() if root == default else None)
    session = make_session(SimulatedArm, library, partial(load_prior, prior, root), seed, registry)
    return make_session_window(session, theme, settings)


def make_session_window(session: Session, theme: Theme, settings: QSettings) -> MainWindow:
    """Create the window of a session; closing it closes the session."""
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.window_presenter import WindowPresenter

    library, arm, teaching = session.library, session.arm, session.teaching
    joint_names = [joint.name for joint in arm.controller.arm.joints]
    window = MainWindow(theme, settings, library.get_sparkline, teaching.clicks.click_teacher, joint_names)
    WindowPresenter(window, session)
    return window


def make_session(
    make_arm: Callable[[], SceneArm],
    library: Library,
    load_prior: Callable[[], Prior],
    seed: int | None = None,
    registry: ArmRegistry | None = None,
    list_ports: Callable[[], tuple[UsbPort, ...]] | None = None,
) -> Session:
    """Create all controllers and connect them.

    ``make_arm`` creates the simulated arm, ``registry`` has the named arms, and ``list_ports`` lists the ports.
    """
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.background_queue import BackgroundQueue
    from metagui.gui.core.countdown import Countdown
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.window.session import Session

    state, messages, simulated = AppState(), Messages(), make_arm()
    queue, countdown = BackgroundQueue(messages.post_error), Countdown(state)
    library_model = LibraryModel(library, queue, messages)
    arm = _make_arm_parts(simulated, library.root, state, messages, registry, list_ports)
    teaching = _make_teaching_parts(arm, library_model, countdown, state, messages, seed)
    learning = _make_learning_parts(simulated, library_model, queue, load_prior, state, messages)
    execution = _make_execution_parts(arm, teaching, learning.queue, library_model, queue, countdown, state, messages)
    recording = _make_recording_parts(arm, teaching, library_model, queue, countdown, state, messages)
    return Session(state, messages, library_model, arm, teaching, recording, learning, execution)


def _make_arm_parts(
    simulated: SceneArm,
    library_folder: Path,
    state: AppState,
    messages: Messages,
    registry: ArmRegistry | None,
    list_ports: Callable[[], tuple[UsbPort, ...]] | None,
) -> ArmParts:
    from metagui.arms.feetech.serial_port import list_usb_ports
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.gui.arm.arm_connection import ArmConnection
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.connection_flow import ConnectionFlow
    from metagui.gui.cameras.camera_controller import CameraController
    from metagui.gui.window.session_parts import ArmParts

    ports = list_ports or list_usb_ports
    controller = ArmController(simulated, library_folder, messages)
    connection = ArmConnection(controller, simulated, registry or ArmRegistry(ports=ports), ports, messages)
    camera = CameraController(controller, connection, messages)
    return ArmParts(controller, connection, ConnectionFlow(connection, controller, state, messages), camera)


def _make_teaching_parts(
    arm: ArmParts,
    library_model: LibraryModel,
    countdown: Countdown,
    state: AppState,
    messages: Messages,
    seed: int | None,
) -> TeachingParts:
    from metagui.gui.scene.object_placement import ObjectPlacement
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher
    from metagui.gui.teaching.mode_controller import ModeController
    from metagui.gui.teaching.steps.step_list import StepList
    from metagui.gui.window.session_parts import TeachingParts

    clicks = ClickDispatcher(arm.controller, messages, seed)
    return TeachingParts(
        ModeController(arm.controller, arm.connection, countdown, state, messages),
        clicks,
        ObjectPlacement(arm.controller, library_model.undo_stack, messages),
        StepList(arm.controller, clicks),
    )


def _make_learning_parts(
    simulated: SceneArm,
    library_model: LibraryModel,
    queue: BackgroundQueue,
    load_prior: Callable[[], Prior],
    state: AppState,
    messages: Messages,
) -> LearningParts:
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.learning.adaptation_controller import AdaptationController
    from metagui.gui.similarity.behaviour_comparison import BehaviourComparisonController
    from metagui.gui.similarity.encoder_training import EncoderTraining
    from metagui.gui.similarity.similarity_controller import SimilarityController
    from metagui.gui.window.session_parts import LearningParts

    jobs = LearningQueue()
    joints = [joint.name for joint in simulated.joints]
    encoder = partial(load_encoder, library_model.folder)
    prior = PriorStore(load_prior, encoder, joints, simulated.objects, messages)
    similarity = SimilarityController(library_model, queue, prior, messages)
    training = EncoderTraining(library_model, queue, jobs, prior, messages)
    behaviours = BehaviourComparisonController(library_model, jobs, prior, messages)
    adaptation = AdaptationController(library_model, queue, jobs, prior, similarity, state, messages)
    return LearningParts(jobs, prior, similarity, training, behaviours, adaptation)


def _make_execution_parts(
    arm: ArmParts,
    teaching: TeachingParts,
    learning_queue: LearningQueue,
    library_model: LibraryModel,
    queue: BackgroundQueue,
    countdown: Countdown,
    state: AppState,
    messages: Messages,
) -> ExecutionParts:
    from metagui.gui.execution.execution_controller import ExecutionController
    from metagui.gui.execution.policy_run import PolicyRunner
    from metagui.gui.execution.success_controller import SuccessController
    from metagui.gui.window.session_parts import ExecutionParts

    runner = PolicyRunner(arm.controller, library_model, queue, messages)
    controller = ExecutionController(
        runner, teaching.clicks, teaching.modes, teaching.placement, arm.camera, countdown, state, messages
    )
    success = SuccessController(library_model, queue, learning_queue, runner, controller, state, messages)
    return ExecutionParts(controller, runner, countdown, success)


def _make_recording_parts(
    arm: ArmParts,
    teaching: TeachingParts,
    library_model: LibraryModel,
    queue: BackgroundQueue,
    countdown: Countdown,
    state: AppState,
    messages: Messages,
) -> RecordingParts:
    from metagui.gui.recording.crash_recovery import CrashRecovery
    from metagui.gui.recording.reading_report import ReadingReport
    from metagui.gui.recording.recording_controller import RecordingController
    from metagui.gui.teaching.steps.step_repeater import StepRepeater
    from metagui.gui.window.session_parts import RecordingParts

    controller = RecordingController(
        arm.controller, library_model, teaching.modes, teaching.clicks, countdown, state, messages
    )
    controller.take_saved.connect(ReadingReport(library_model, queue, messages, controller).report_take)
    repeater = StepRepeater(arm.controller, teaching.clicks, teaching.steps, controller, state, messages)
    return RecordingParts(controller, CrashRecovery(library_model, queue, messages), repeater)


def load_prior(path: Path | None = None, library: Path | None = None) -> Prior:
    """Load a prior, by default that of ``library`` or the shipped one. Raises PriorError.

    Imports torch, which takes seconds: call it in a background thread.
    """
    from metagui.learning import prior
    from metagui.paths import recordings_dir

    return prior.load_for_library(library or recordings_dir()) if path is None else prior.load(path)


def load_encoder(library: Path) -> CalibratedEncoder:
    """Load the encoder of similar tasks: the library's own or the shipped one. Raises EncoderFileError.

    Imports torch, as ``load_prior`` does.
    """
    from metagui.learning.similarity.encoder_file import load_encoder_for_library

    return load_encoder_for_library(library)
