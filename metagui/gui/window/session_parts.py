"""The controllers of the program, grouped by room, as the composition root builds them for the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metagui.gui.arm.arm_connection import ArmConnection
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.connection_flow import ConnectionFlow
    from metagui.gui.cameras.camera_controller import CameraController
    from metagui.gui.core.countdown import Countdown
    from metagui.gui.core.learning_queue import LearningQueue
    from metagui.gui.core.prior_store import PriorStore
    from metagui.gui.execution.execution_controller import ExecutionController
    from metagui.gui.execution.policy_run import PolicyRunner
    from metagui.gui.execution.success_controller import SuccessController
    from metagui.gui.learning.adaptation_controller import AdaptationController
    from metagui.gui.recording.crash_recovery import CrashRecovery
    from metagui.gui.recording.recording_controller import RecordingController
    from metagui.gui.scene.object_placement import ObjectPlacement
    from metagui.gui.similarity.behaviour_comparison import BehaviourComparisonController
    from metagui.gui.similarity.encoder_training import EncoderTraining
    from metagui.gui.similarity.similarity_controller import SimilarityController
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher
    from metagui.gui.teaching.mode_controller import ModeController
    from metagui.gui.teaching.steps.step_list import StepList
    from metagui.gui.teaching.steps.step_repeater import StepRepeater


@dataclass(frozen=True)
class ArmParts:
    """Selecting, connecting and controlling an arm."""

    controller: ArmController
    connection: ArmConnection
    flow: ConnectionFlow
    camera: CameraController


@dataclass(frozen=True)
class TeachingParts:
    """Ways to teach: modes, clicks and buttons, object positions."""

    modes: ModeController
    clicks: ClickDispatcher
    placement: ObjectPlacement
    steps: StepList


@dataclass(frozen=True)
class RecordingParts:
    """Recording takes, and recovering those that a crash cut short."""

    controller: RecordingController
    recovery: CrashRecovery
    repeater: StepRepeater


@dataclass(frozen=True)
class LearningParts:
    """The prior, and the jobs that learn from takes."""

    queue: LearningQueue
    prior: PriorStore
    similarity: SimilarityController
    encoder_training: EncoderTraining
    behaviours: BehaviourComparisonController
    adaptation: AdaptationController


@dataclass(frozen=True)
class ExecutionParts:
    """Runs of policies and replays of takes."""

    controller: ExecutionController
    runner: PolicyRunner
    countdown: Countdown
    success: SuccessController
