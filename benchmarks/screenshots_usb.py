"""Makes the README's pictures of an arm on a port: ``python -m benchmarks.screenshots_usb OUT``.

Someone with a new arm clicks through all of it: connect, calibrate, lead by hand, adapt, run. The arm is the virtual
one in a process of its own (``benchmarks.hands``), led by hands that know their task. Ends with the distance that
the last run left between cube and zone. Wants an X server or ``QT_QPA_PLATFORM=offscreen``.
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
TAUGHT, UNSEEN = (3, 8, 11), 5


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
                Story(chosen.out, chosen.look, chosen.size, Path(folder), hands).tell()
            finally:
                hands.terminate()


class Story:
    """One window, one person, one arm."""

    def __init__(self, out: Path, look: str, size: str, folder: Path, hands: subprocess.Popen[str]) -> None:
        from metagui import app

        app.prepare()
        from PySide6.QtCore import QSettings
        from PySide6.QtWidgets import QApplication

        from metagui.arms.so101.arm_registry import ArmBook
        from metagui.gui.theme.theme import Theme
        from tests.helpers.user import Person

        assert hands.stdin is not None
        assert hands.stdout is not None
        self.out, self.look = out, look
        self.orders, self.answers = hands.stdin, hands.stdout
        os.set_blocking(self.answers.fileno(), True)
        self.port = self.answers.readline().strip()
        self.application = QApplication.instance() or QApplication(sys.argv[:1])
        theme = Theme(look)  # type: ignore[arg-type]
        theme.apply()
        settings = QSettings(str(folder / ".settings"), QSettings.Format.IniFormat)
        self.window = app.make_window(theme, settings, book=ArmBook(folder / ".arms"))
        self.window.resize(*(int(n) for n in size.split("x")))
        self.window.show()
        self.window.activateWindow()  # there may be no window manager to do it
        self.person = Person(self.window)
        self.person.wait_until(self.window.isActiveWindow, 10, "the window to be active")

    def tell(self) -> None:
        """Go from the cable to a run."""
        self.person.wait_until(lambda: self.person.state() == "Ready", 60, "the simulated arm")
        self.connect()
        self.calibrate()
        self.teach()
        self.run()
        self.window.close()
        self.person.write_pictures()
        self.window.deleteLater()
        self.application.processEvents()

    def connect(self) -> None:
        """Name the port, and learn that the arm is new."""
        from PySide6.QtCore import Qt

        picker = self.window.top.arms
        picker.list.activated.emit(picker.list.count() - 1)
        self.person.pause(0.2)
        self.person.type(self.port)
        self.person.key(Qt.Key.Key_Return)
        self.person.press("Connect")
        self.person.wait_until(lambda: self.person.reads("not calibrated"), 20, "the reason")
        self.shoot("usb-new")

    def calibrate(self) -> None:
        """Press the button that the message offers, and have every joint led."""
        from PySide6.QtCore import Qt

        self.person.press("Calibrate")
        self.person.press("I am holding it")
        self.tell_hands("sweep")
        self.person.wait_until(lambda: self.sees_joint("wrist roll", "to go"), 60, "half of the joints")
        self.shoot("usb-calibrating")
        self.person.wait_until(lambda: self.person.sees("Name of the arm"), 90, "the end of the sweep")
        self.listen()
        self.shoot("usb-calibrated")
        self.person.type(" left")
        self.person.key(Qt.Key.Key_Return)
        self.person.wait_until(lambda: self.person.reads("Connected"), 20, "the arm to be connected")

    def teach(self) -> None:
        """Lead the limp arm through the task in three scenes."""
        self.choose_mode("hand")
        self.person.press("Lead by hand")
        self.person.wait_until(lambda: self.person.reads("Limp:"), 10, "the arm to go limp")
        self.person.press("New task")
        self.person.type("red cube onto yellow")
        for take, seed in enumerate(TAUGHT, 1):
            self.lay_out(seed)
            self.person.press("Record")
            self.person.wait_until(lambda: self.person.state().startswith("Recording"), 10, "recording")
            self.tell_hands("show")
            if take == 1:
                self.person.pause(3.0)
                self.shoot("usb-by-hand")
            self.listen()
            self.person.press("Finish")
            self.person.wait_until(lambda take=take: self.person.reads(f"take {take:03}"), 20, "the take")  # type: ignore[misc]
        self.lay_out(UNSEEN)
        self.person.press("Stop")

    def run(self) -> None:
        """Adapt, and let the arm do it in a scene it has not seen."""
        self.choose_mode("click")
        self.person.press("Adapt")
        self.person.wait_until(lambda: self.person.button("Run").isEnabled(), 180, "the policy")
        self.person.wait_until(lambda: self.person.state() == "Ready", 60, "the arm")
        self.shoot("usb-adapted")
        self.person.press("Run")
        self.person.pause(1.0)
        self.shoot("usb-countdown")
        self.person.wait_until(lambda: self.person.state().startswith("Running"), 20, "the run")
        self.person.pause(3.0)
        self.shoot("usb-running")
        self.person.wait_until(lambda: self.person.state() == "Ready", 120, "the run to end")
        self.shoot("usb-done")
        self.tell_hands("where")
        print(f"from cube to zone: {self.listen()} m", flush=True)

    # What a person does besides

    def lay_out(self, seed: int) -> None:
        """Put the things on the table elsewhere, and mark in the window where they are."""
        from metagui.arms.simulation.simulated_arm import SimulatedArm

        self.tell_hands(f"scene {seed}")
        self.listen()
        arm = SimulatedArm(seed)
        scene = arm.observe_scene()
        for name in ("red cube", "yellow zone"):
            index = [anchor.name for anchor in arm.anchors].index(name)
            x, y = scene.positions[index, :2]
            self.window.session.marking.put(name, x, y, scene.yaws[index])

    def choose_mode(self, key: str) -> None:
        """Choose in the menu under the view how the arm is taught."""
        self.window.arm.modes._entries[key].trigger()

    def tell_hands(self, order: str) -> None:
        """Give the hands an order; they begin at once."""
        self.orders.write(order + "\n")
        self.orders.flush()

    def listen(self) -> str:
        """Wait until the hands are done, while the window works; return what they say."""
        import select

        self.person.wait_until(lambda: bool(select.select([self.answers], [], [], 0)[0]), 90, "the hands")
        return self.answers.readline().strip()

    def sees_joint(self, joint: str, words: str) -> bool:
        """Whether a joint's bar says something."""
        from PySide6.QtWidgets import QWidget

        names = [w.accessibleName() for w in self.window.findChildren(QWidget) if w.isVisible()]
        return any(name.startswith(joint) and words in name for name in names)

    def shoot(self, name: str) -> None:
        """Take a picture."""
        self.person.pause(0.3)
        self.person.keep_picture(self.out / f"{name}-{self.look}.png")
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)


if __name__ == "__main__":
    main()
