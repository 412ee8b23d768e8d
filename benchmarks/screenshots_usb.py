"""Makes the README's pictures of a USB arm: ``python -m benchmarks.screenshots_usb OUT``.

A simulated user goes through all steps with a new arm: connect, calibrate, guide by hand, adapt, run. The arm is
emulated in a separate process (``benchmarks.hands``) and guided by simulated hands. At the end it prints the distance
between cube and zone after the last run. It needs an X server or ``QT_QPA_PLATFORM=offscreen``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TAUGHT_SEEDS, UNSEEN_SEED = (3, 8, 11), 5


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="1440x900")
    parser.add_argument("--look", default="light")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["METAGUI_RECORDINGS"] = folder
        command = [sys.executable, "-m", "benchmarks.hands"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as hands:
            try:
                UsbWalkthrough(chosen.out, chosen.look, chosen.size, Path(folder), hands).run_all()
            finally:
                hands.terminate()


class UsbWalkthrough:
    """One window, one simulated user, one arm."""

    def __init__(self, out: Path, look: str, size: str, folder: Path, hand_process: subprocess.Popen[str]) -> None:
        from metagui import app

        app.prepare_process()
        from PySide6.QtCore import QSettings
        from PySide6.QtWidgets import QApplication

        from metagui.arms.so101.arm_registry import ArmRegistry
        from metagui.gui.theme.theme import Theme
        from tests.helpers.user import SimulatedUser

        assert hand_process.stdin is not None
        assert hand_process.stdout is not None
        self.out, self.look = out, look
        self.hand_commands, self.hand_replies = hand_process.stdin, hand_process.stdout
        os.set_blocking(self.hand_replies.fileno(), True)
        self.port = self.hand_replies.readline().strip()
        self.application = QApplication.instance() or QApplication(sys.argv[:1])
        theme = Theme(look)  # type: ignore[arg-type]
        theme.apply()
        settings = QSettings(str(folder / ".settings"), QSettings.Format.IniFormat)
        self.window = app.make_window(theme, settings, registry=ArmRegistry(folder / ".arms"))
        self.window.resize(*(int(n) for n in size.split("x")))
        self.window.show()
        self.window.activateWindow()  # there may be no window manager to do it
        self.user = SimulatedUser(self.window)
        self.user.wait_until(self.window.isActiveWindow, "the window to be active")

    def run_all(self) -> None:
        """Take the pictures from connecting the arm to running a policy."""
        self.user.wait_until(lambda: self.user.read_state() == "Ready", "the simulated arm")
        self.connect()
        self.calibrate()
        self.check_pose()
        self.teach()
        self.run_policy()
        self.window.close()
        self.user.save_screenshots()
        self.window.deleteLater()
        self.application.processEvents()

    def connect(self) -> None:
        """Enter the port and read that the arm is not calibrated."""
        from PySide6.QtCore import Qt

        picker = self.window.top_bar.arm_picker
        picker.choice_box.activated.emit(picker.choice_box.count() - 1)
        self.user.pause(0.2)
        self.user.type_text(self.port)
        self.user.press_key(Qt.Key.Key_Return)
        self.user.press_button("Connect")
        self.user.wait_until(lambda: self.user.can_read("not calibrated"), "the reason")
        self.take_screenshot("usb-new")

    def calibrate(self) -> None:
        """Press the button in the message, and move every joint by hand."""
        from PySide6.QtCore import Qt

        self.user.press_button("Calibrate")
        self.user.press_button("I am holding it")
        self.command_hands("sweep")
        self.user.wait_until(lambda: self.is_joint_shown("wrist roll", "to go"), "half of the joints")
        self.take_screenshot("usb-calibrating")
        self.user.wait_until(lambda: self.user.can_see("Name of the arm"), "the end of the sweep")
        self.read_reply()
        self.take_screenshot("usb-calibrated")
        self.user.type_text(" left")
        self.user.press_key(Qt.Key.Key_Return)
        self.user.wait_until(lambda: self.user.can_see("Check the pose"), "the arm, and the check of its pose")

    def check_pose(self) -> None:
        """Let the arm go to the first pose, correct a zero by keys, reset it, and close the page."""
        from PySide6.QtCore import Qt

        self.user.press_button("Move the arm there slowly")
        self.user.wait_until(lambda: self.user.can_read("moves slowly"), "the arm to move")
        self.user.wait_until(lambda: self.user.can_read("The arm holds"), "the arm to arrive")
        self.user.find_widget("Correction of elbow flex, degrees").setFocus()
        for _ in range(8):
            self.user.press_key(Qt.Key.Key_Up)
        self.user.pause(1.0)
        self.take_screenshot("usb-pose")
        self.user.press_button("Back to the saved zeros")
        self.user.press_button("Close")
        self.user.wait_until(lambda: self.user.read_state() == "Ready", "the panels")

    def teach(self) -> None:
        """Guide the arm by hand through the task in three scenes."""
        self.choose_mode("hand")
        self.user.press_button("Guide by hand")
        self.user.wait_until(lambda: self.user.can_read("Torque off:"), "the torque to go off")
        self.user.press_button("New task")
        self.user.type_text("red cube onto yellow")
        for take, seed in enumerate(TAUGHT_SEEDS, 1):
            self.arrange_objects(seed)
            self.user.press_button("Record")
            self.user.wait_until(lambda: self.user.read_state().startswith("Recording"), "recording")
            self.command_hands("show")
            if take == 1:
                self.user.pause(3.0)
                self.take_screenshot("usb-by-hand")
            self.read_reply()
            self.user.press_button("Finish")
            self.user.wait_until(lambda take=take: self.user.can_read(f"take {take:03}"), "the take")  # type: ignore[misc]
        self.arrange_objects(UNSEEN_SEED)
        self.user.press_button("Stop")

    def run_policy(self) -> None:
        """Adapt, and run the policy in an unseen scene."""
        self.choose_mode("click")
        self.user.press_button("Adapt")
        self.user.wait_until(lambda: self.user.find_button("Run").isEnabled(), "the policy")
        self.user.wait_until(lambda: self.user.read_state() == "Ready", "the arm")
        self.take_screenshot("usb-adapted")
        self.user.press_button("Run")
        self.user.pause(1.0)
        self.take_screenshot("usb-countdown")
        self.user.wait_until(lambda: self.user.read_state().startswith("Running"), "the run")
        self.user.pause(3.0)
        self.take_screenshot("usb-running")
        self.user.wait_until(lambda: self.user.read_state() == "Ready", "the run to end")
        self.take_screenshot("usb-done")
        self.command_hands("where")
        print(f"from cube to zone: {self.read_reply()} m", flush=True)

    # Other actions of the user

    def arrange_objects(self, seed: int) -> None:
        """Move the objects on the table, and place them in the window."""
        from metagui.arms.simulation.simulated_arm import SimulatedArm
        from tests.helpers.qt import session_of

        self.command_hands(f"scene {seed}")
        self.read_reply()
        arm = SimulatedArm(seed)
        scene = arm.observe_scene()
        for name in ("red cube", "yellow zone"):
            index = [each.name for each in arm.objects].index(name)
            x, y = scene.positions[index, :2]
            session_of(self.window).teaching.placement.place_object(name, x, y, scene.yaws[index])

    def choose_mode(self, key: str) -> None:
        """Choose the teaching mode in the menu below the view."""
        self.window.arm_panel.mode_bar._entries[key].trigger()

    def command_hands(self, command: str) -> None:
        """Send the hands a command, which they start at once."""
        self.hand_commands.write(command + "\n")
        self.hand_commands.flush()

    def read_reply(self) -> str:
        """Process window events until the hands have finished; return their reply."""
        import select

        self.user.wait_until(lambda: bool(select.select([self.hand_replies], [], [], 0)[0]), "the hands")
        return self.hand_replies.readline().strip()

    def is_joint_shown(self, joint: str, text: str) -> bool:
        """Return whether a joint's bar shows a text."""
        from PySide6.QtWidgets import QWidget

        names = [w.accessibleName() for w in self.window.findChildren(QWidget) if w.isVisible()]
        return any(name.startswith(joint) and text in name for name in names)

    def take_screenshot(self, name: str) -> None:
        """Take a picture."""
        self.user.pause(0.3)
        self.user.take_screenshot(self.out / f"{name}-{self.look}.png")
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)


if __name__ == "__main__":
    main()
