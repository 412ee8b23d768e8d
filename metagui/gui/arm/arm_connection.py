"""Which arm is chosen and which is connected: opens, lets go and finds arms again while the window stays awake.

Whatever touches a port happens in errands of its own, in order, so that an arm is let go before it is opened again.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.arm import ArmError
from metagui.arms.so101 import arm_registry
from metagui.gui.arm.arm_choices import ArmChoice, choices, simulated_choice
from metagui.gui.core.task_queue import Errands

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.feetech.serial_port import UsbPort
    from metagui.arms.so101.arm_registry import ArmBook, KnownArm
    from metagui.gui.arm.arm_controller import ArmDesk
    from metagui.gui.arm.capabilities import DeskArm

SCAN_PERIOD = 1500
"""How often the ports are looked at, ms."""
LOOK_PERIOD = 1000
"""How often a lost arm is looked for, ms."""


class Station(QObject):
    """The picker's model, and the one who connects."""

    listed = Signal()
    """There are other choices, or another one is chosen."""
    opened = Signal(bool)
    """The chosen arm is connected and ticks; whether it had been lost and came back."""
    failed = Signal(object)
    """An ArmError: it could not be connected."""
    named = Signal(str)
    """The chosen arm has this name now."""
    failed_to_name = Signal(object)
    """A PortError."""
    looked = Signal()
    """A lost arm was looked for in vain; see ``reason``."""
    problem = Signal(str)
    """What is wrong with the list of names."""

    def __init__(
        self,
        desk: ArmDesk,
        simulated: DeskArm,
        book: ArmBook,
        ports: Callable[[], tuple[UsbPort, ...]],
    ) -> None:
        super().__init__()
        self.book = book
        self.choices: tuple[ArmChoice, ...] = (simulated_choice(),)
        self.chosen = self.choices[0]
        self.current: ArmChoice | None = None
        """What is connected."""
        self.connecting = self.looking = False
        self.reason = ""
        """Why a lost arm is not back yet, in words."""
        self._desk, self._simulated, self._ports = desk, simulated, ports
        self._by_hand: list[str] = []
        self._told = ""
        self._turn = 0
        """Grows with every change of mind: what was opened for an earlier one is let go."""
        self._fresh: DeskArm | None = None
        """An arm that was opened and that nobody drives yet."""
        self._lines, self._scans = Errands(), Errands()
        self._scan_timer = QTimer(self, interval=SCAN_PERIOD)
        self._scan_timer.timeout.connect(self.scan)
        self._look_timer = QTimer(self, interval=LOOK_PERIOD, singleShot=True)
        self._look_timer.timeout.connect(self._look)

    # What there is

    def open(self) -> None:
        """Begin to watch the ports."""
        self.scan()
        self._scan_timer.start()

    def scan(self) -> None:
        """Look at ports and names, in another thread."""
        if not self._scans.busy:
            self._scans.run(lambda: choices(self.book, self._ports(), tuple(self._by_hand)), self._on_scan)

    def _on_scan(self, found: tuple[tuple[ArmChoice, ...], str]) -> None:
        listed, problem = found
        if problem and problem != self._told:
            self.problem.emit(problem)
        self._told = problem
        self._list(listed)

    def _list(self, listed: tuple[ArmChoice, ...]) -> None:
        """Take over a new list; what is chosen stays in it, though it may have been unplugged."""
        chosen = next((c for c in listed if c.key == self.chosen.key), None)
        if chosen is None:
            chosen = next((c for c in listed if self.chosen.device and c.device == self.chosen.device), None)
        if chosen is None:
            chosen = self.chosen if self._is_open(self.chosen) else listed[0]
            listed = listed if chosen in listed else (*listed, chosen)
        if self.current is not None and self.current.key not in {c.key for c in listed}:
            self.current = next((c for c in listed if c.device == self.current.device), self.current)
        if (listed, chosen) != (self.choices, self.chosen):
            self.choices, self.chosen = listed, chosen
            self.listed.emit()

    def name_chosen(self, name: str) -> None:
        """Give the chosen arm a name by which it is found again."""
        device = self.chosen.device
        self._scans.run(lambda: self.book.remember(name, device), self._on_named, self.failed_to_name.emit)

    def _on_named(self, arm: KnownArm) -> None:
        self._by_hand = [device for device in self._by_hand if device != arm.device]
        self.named.emit(arm.name)
        self.scan()

    def _is_open(self, choice: ArmChoice) -> bool:
        return self.looking or self.connecting or (self.current is not None and self.current.key == choice.key)

    def wish(self, key: str) -> None:
        """Choose, as soon as it is listed, a named arm that was chosen the last time."""
        if key.startswith("arm:"):
            name = key.removeprefix("arm:")
            self.chosen = ArmChoice(key, name, "", "", name, present=False)
            self.choices = (*(c for c in self.choices if c.key != key), self.chosen)
            self.listed.emit()

    def choose(self, key: str) -> None:
        """Choose another arm; what is connected stays so until Connect is pressed."""
        found = next((choice for choice in self.choices if choice.key == key), None)
        if found is not None and found.key != self.chosen.key:
            self.chosen = found
            self.listed.emit()

    def add_port(self, device: str) -> None:
        """Choose a port by its path, as that of a virtual arm."""
        device = device.strip()
        if not device:
            return
        if device not in self._by_hand:
            self._by_hand.append(device)
        listed, _ = choices(self.book, (), tuple(self._by_hand))
        found = next((c for c in (*self.choices, *listed) if c.device == device), None)
        if found is not None:
            self.chosen = found
            self.choices = self.choices if found in self.choices else (*self.choices, found)
            self.listed.emit()

    # Connecting

    def connect_chosen(self) -> None:
        """Let go of what is connected, and connect what is chosen: ``opened`` or ``failed`` follows."""
        self.let_go()
        choice = self.chosen
        if choice.simulated:
            self._simulated.connect()
            self._take_over(choice, self._simulated, False)
        else:
            self.connecting = True
            turn = self._turn
            self._lines.run(
                partial(self._opened, turn, choice),
                partial(self._on_open, turn, choice, False),
                partial(self._on_failure, turn),
            )

    def _opened(self, turn: int, choice: ArmChoice, before: DeskArm | None = None) -> DeskArm | None:
        """Open a port and switch the arm on where it is; called in another thread. Raises ArmError.

        ``before`` is the arm that was lost, which knows where its things stand. Return None if meanwhile nobody wants
        it any more.
        """
        arm: DeskArm = before or arm_registry.open_arm(choice.address, self.book)
        arm.connect()
        if turn == self._turn:
            self._fresh = arm
            return arm
        arm.disconnect()
        return None

    def _on_open(self, turn: int, choice: ArmChoice, back: bool, arm: DeskArm | None) -> None:
        self._fresh = None
        if turn != self._turn:
            if arm is not None:
                self._lines.run(arm.disconnect)
        elif arm is None:
            self._look_timer.start()
            self.looked.emit()
        else:
            self.connecting = self.looking = False
            self._take_over(choice, arm, back)

    def _on_failure(self, turn: int, error: Exception) -> None:
        if turn == self._turn:
            self.connecting = False
            self.failed.emit(error)

    def _take_over(self, choice: ArmChoice, arm: DeskArm, back: bool) -> None:
        self.current = choice
        self._desk.take_over(arm)
        self.opened.emit(back)

    def let_go(self) -> None:
        """Hold and let go of what is connected, and stop looking for what was lost."""
        self._turn += 1
        self.connecting = self.looking = False
        self._look_timer.stop()
        letting_go = self._desk.let_go()
        if letting_go is not None:
            if self.current is not None and self.current.simulated:
                letting_go()
            else:
                self._lines.run(letting_go, None, self.failed.emit)
        self.current = None

    # Lost and found

    def look_for_lost(self) -> None:
        """The connection broke: let go of what is left of it and look for the arm until it is back."""
        lost = self.current
        self.let_go()
        if lost is not None and not lost.simulated:
            self.looking, self.reason = True, ""
            self.chosen = lost
            self._look_timer.start()

    def _look(self) -> None:
        """Try once, in another thread."""
        turn, choice = self._turn, self.chosen
        self._lines.run(partial(self._tried, turn, choice, self._desk.arm), partial(self._on_open, turn, choice, True))

    def _tried(self, turn: int, choice: ArmChoice, before: DeskArm) -> DeskArm | None:
        """Return the arm if it is back; called in another thread."""
        try:
            return self._opened(turn, choice, before)
        except ArmError as error:
            self.reason = str(error)
            return None

    def close(self) -> None:
        """Let go and end every thread."""
        self._scan_timer.stop()
        self.let_go()
        self._scans.close()
        with contextlib.suppress(ArmError):
            self._lines.close()
            if self._fresh is not None:
                self._fresh.disconnect()
