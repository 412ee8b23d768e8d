"""Check of a real arm's zeros: opens the page, moves or relaxes the arm, and saves the corrections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Qt

from metagui.arms.arm import ArmError
from metagui.arms.simulation.posed_model import PosedModel
from metagui.arms.tables.table import Table
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.gui.pose_check.pose_move import MOVING_SENTENCE, PoseMove
from metagui.gui.pose_check.pose_page import PosePage
from metagui.gui.pose_check.zero_draft import CHECK_POSES, ZeroDraft
from metagui.gui.pose_check.zero_store import load_trims, store_trims

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.arms.control.tick import Tick
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.gui.arm.arm_connection import ArmConnection
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.calibration.wizard_host import WizardHost
    from metagui.gui.arm.connection_flow import ConnectionFlow
    from metagui.gui.core.app_state import AppSnapshot, AppState
    from metagui.gui.core.messages import Messages
    from metagui.gui.scene.scene_canvas import SceneCanvas
    from metagui.gui.theme.theme import Theme

DRAWN_STEP_RAD = 0.002
"""Smallest change of a joint that needs a new picture, rad: more than the noise of a resting arm."""
_LIMP_SENTENCE = "The motors are off: put the arm into the pose by hand. Hold or Stop makes it hold."
_HOLDING_SENTENCE = "The arm holds its position."
_TOO_FAR_TEXT = "{joint} differs by too much for a correction. Nothing was changed; calibrate the arm again."


class PoseCheck(QObject):
    """Opens and closes the page in ``host``, in place of the panels; ``view`` lends it the renderer."""

    def __init__(
        self,
        host: WizardHost,
        theme: Theme,
        view: SceneCanvas,
        controller: ArmController,
        connection: ArmConnection,
        flow: ConnectionFlow,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__(host)
        self._host, self._theme, self._view = host, theme, view
        self._controller, self._connection, self._flow = controller, connection, flow
        self._state, self._messages = state, messages
        self._queue = BackgroundQueue(self._on_save_failed)
        self._drafts: dict[str, ZeroDraft] = {}
        """Corrections that are not saved yet, by arm; they outlive the page."""
        self._model: PosedModel | None = None
        self.page: PosePage | None = None
        """The page while it is open."""
        self._name = self._calibrated_name = ""
        self._pose = CHECK_POSES[0]
        self._drawn: FloatArray | None = None
        """Joint angles in the picture of the arm, rad."""
        self._reconnecting = False
        """True while the arm is connected again with saved zeros."""
        controller.ticked.connect(self._on_tick)
        state.changed.connect(self._on_state_changed, Qt.ConnectionType.QueuedConnection)  # it changes the state itself
        messages.posted.connect(self._on_message)
        host.finished.connect(self._on_calibrated)

    @property
    def draft(self) -> ZeroDraft:
        """The corrections of the arm on the page."""
        return self._drafts[self._name]

    # Opening and closing

    def open(self) -> None:
        """Open the page for the connected arm, or post why that is impossible."""
        current, registry = self._connection.current, self._connection.registry
        if current is None or self.page is not None:
            return
        try:
            self._load_draft(current.name, registry)
        except ArmError as error:
            self._messages.post_error(error, "calibrate")
            return
        self.page, self._drawn = PosePage(self._theme), None
        page = self.page
        self._model = PosedModel(Table.from_scene_objects(self._controller.arm.objects))
        self._connect_page(page)
        page.title.setText(f"Check the pose of “{current.name}”")
        page.show_problem("")
        for canvas in (page.pose_canvas, page.arm_canvas):
            canvas.draw_like(self._view)
        self._host.show_page(page)
        self._flow.begin_pose_check()
        page.pose_control.select(0)
        self._choose_pose(0)
        page.pose_control.setFocus()

    def _load_draft(self, name: str, registry: ArmRegistry) -> None:
        """Make the draft of an arm from its stored zeros; keep one that was not saved. Raises ArmError."""
        fresh, before = ZeroDraft(load_trims(registry, name)), self._drafts.get(name)
        if before is not None and (before.applied == fresh.applied).all():
            fresh = before
        self._name, self._drafts[name] = name, fresh

    def _connect_page(self, page: PosePage) -> None:
        page.pose_control.segment_chosen.connect(self._choose_pose)
        page.table.trim_changed.connect(self._on_trim_changed)
        page.table.match_requested.connect(self._match)
        page.move_button.clicked.connect(self._move)
        page.limp_button.clicked.connect(self._toggle_torque)
        page.reset_button.clicked.connect(self._reset)
        page.save_button.clicked.connect(self._save)
        page.close_button.clicked.connect(self.leave)

    def leave(self) -> None:
        """Hold the arm and return to the panels; corrections that were not saved are kept for the next time."""
        if self.page is None:
            return
        self._controller.set_teaching_controller(None)
        if self._controller.torque_off:
            self._hold_or_relax(torque_off=False)
        if self.draft.is_changed:
            self._messages.post(
                f"The corrected zeros of “{self._name}” are not saved. The arm uses those from before; check the pose "
                "again to save or reset them.",
                "warning",
                "check_pose",
            )
        self._flow.end_pose_check()

    def _close_page(self) -> None:
        """Remove the page without a change to the arm."""
        page, self.page = self.page, None
        self._reconnecting = False
        if page is not None:
            self._host.close_page(page)

    def close(self) -> None:
        """End the thread that saves."""
        self._close_page()
        self._queue.close()

    def _on_state_changed(self, _snapshot: AppSnapshot) -> None:
        """Open the page after a calibration, keep it while the arm reconnects, else close it with its activity."""
        activity, current = self._state.activity, self._connection.current
        if self.page is None:
            if activity is ArmActivity.READY and current is not None and current.name == self._calibrated_name != "":
                self._calibrated_name = ""
                self.open()
        elif self._reconnecting and activity is ArmActivity.READY:
            self._reconnecting = False
            self._flow.begin_pose_check()
            self._show_draft()
        elif activity is not ArmActivity.CHECKING_POSE and not (
            self._reconnecting and activity is ArmActivity.CONNECTING
        ):
            self._close_page()

    def _on_calibrated(self, name: str) -> None:
        """Open the page as soon as the arm that was just calibrated is connected."""
        self._calibrated_name = name

    # Poses and the arm

    def _choose_pose(self, index: int) -> None:
        if self.page is not None and self._model is not None:
            self._pose = CHECK_POSES[index]
            self.page.pose_sentence.setText(self._pose.sentence)
            self.page.pose_canvas.show_state(self._model.compute_state(self._pose.positions))
            self._show_draft()

    def _move(self) -> None:
        """Let the arm go to the pose slowly, around everything."""
        if self._controller.torque_off and not self._hold_or_relax(torque_off=False):
            return
        self._clear_problem()
        self._controller.set_teaching_controller(PoseMove(self._pose))

    def _toggle_torque(self) -> None:
        self._clear_problem()
        self._controller.set_teaching_controller(None)
        self._hold_or_relax(torque_off=not self._controller.torque_off)
        self._state.refresh()

    def _hold_or_relax(self, torque_off: bool) -> bool:
        """Switch the torque; return False, with the problem posted, if the arm does not do it."""
        try:
            self._controller.set_torque_off(torque_off)
        except ArmError as error:
            self._messages.post_error(error)
            return False
        return True

    def _on_tick(self, tick: Tick) -> None:
        page, controller = self.page, self._controller
        if page is None:
            return
        moving = tick.joint_move is not None
        page.show_arm_text(
            _LIMP_SENTENCE if controller.torque_off else MOVING_SENTENCE if moving else _HOLDING_SENTENCE
        )
        page.show_torque(controller.torque_off)
        page.move_button.setEnabled(not moving)
        self._show_arm(tick.observation.joints.positions)

    def _show_arm(self, measured: FloatArray) -> None:
        """Show where the arm is with the corrections of the draft."""
        if self.page is not None and self._model is not None:
            corrected = self.draft.correct(measured)
            self.page.table.show_angles(self._pose.positions, corrected)
            if self._drawn is None or float(np.abs(corrected - self._drawn).max()) > DRAWN_STEP_RAD:
                self._drawn = corrected
                self.page.arm_canvas.show_state(self._model.compute_state(corrected))

    def _on_message(self, text: str, kind: str, _action: str) -> None:
        """Show problems on the page, which covers the place of messages."""
        if self.page is not None and kind in ("warning", "error"):
            self.page.show_problem(text)

    def _clear_problem(self) -> None:
        if self.page is not None:
            self.page.show_problem("")

    # Zeros

    def _on_trim_changed(self, joint: int, trim: float) -> None:
        self.draft.set_trim(joint, trim)
        self._clear_problem()
        self._show_draft()

    def _match(self, joint: int) -> None:
        """Take the joint's present angle for that of the pose."""
        tick, arm = self._controller.latest_tick, self._controller.arm
        if tick is None or self.page is None:
            return
        measured = float(tick.observation.joints.positions[joint])
        if self.draft.match(joint, float(self._pose.positions[joint]), measured):
            self._clear_problem()
        else:
            self.page.show_problem(_TOO_FAR_TEXT.format(joint=arm.joints[joint].name.replace("_", " ")))
        self._show_draft()

    def _reset(self) -> None:
        self.draft.reset()
        self._clear_problem()
        self._show_draft()

    def _show_draft(self) -> None:
        page, tick = self.page, self._controller.latest_tick
        if page is None:
            return
        page.table.show_trims(self.draft.trims)
        page.save_button.setEnabled(self.draft.is_changed and not self._reconnecting)
        page.reset_button.setEnabled(self.draft.is_changed)
        if tick is None:
            page.table.show_angles(self._pose.positions, None)
        else:
            self._show_arm(tick.observation.joints.positions)

    def _save(self) -> None:
        """Store the corrections, then connect the arm again, which uses them."""
        if self.page is not None:
            self.page.save_button.setEnabled(False)
            trims, registry = tuple(map(float, self.draft.trims)), self._connection.registry
            self._queue.submit(
                partial(store_trims, registry, self._name, trims), partial(self._on_saved, self._name, trims)
            )

    def _on_saved(self, name: str, trims: tuple[float, ...], _result: object) -> None:
        self._drafts[name] = ZeroDraft(trims)
        self._messages.post(f"Saved the zeros of “{name}”. The arm holds, and uses them from now on.", "success")
        if self.page is not None:
            self._reconnecting = True
            self._controller.set_teaching_controller(None)
            self._flow.connect_chosen()
            self._show_draft()

    def _on_save_failed(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        self._messages.post(
            f"The zeros could not be stored in {self._connection.registry.folder}: {reason}. The arm uses those "
            "from before. Make that folder writable or free disk space, then save again.",
            "error",
        )
        self._show_draft()
