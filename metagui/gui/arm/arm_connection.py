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
from metagui.gui.arm.arm_choices import ArmChoice, list_choices, make_simulated_choice
from metagui.gui.core.task_queue import BackgroundQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.feetech.serial_port import UsbPort
    from metagui.arms.so101.arm_registry import ArmRegistry, RegisteredArm
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.capabilities import SceneArm

SCAN_PERIOD_MS = 1500
"""How often the ports are looked at, ms."""
RECONNECT_PERIOD_MS = 1000
"""How often a lost arm is looked for, ms."""


class ArmConnection(QObject):
    """The picker's model, and the one who connects."""

    choices_changed = Signal()
    """There are other choices, or another one is chosen."""
    arm_connected = Signal(bool)
    """The chosen arm is connected and ticks; whether it had been lost and came back."""
    failed = Signal(object)
    """An ArmError: it could not be connected."""
    arm_named = Signal(str)
    """The chosen arm has this name now."""
    naming_failed = Signal(object)
    """A PortError."""
    reconnect_failed = Signal()
    """A lost arm was looked for in vain; see ``reason``."""
    registry_problem_found = Signal(str)
    """What is wrong with the list of names."""

    def __init__(
        self,
        controller: ArmController,
        simulated: SceneArm,
        registry: ArmRegistry,
        ports: Callable[[], tuple[UsbPort, ...]],
    ) -> None:
        super().__init__()
        self.registry = registry
        self.choices: tuple[ArmChoice, ...] = (make_simulated_choice(),)
        self.chosen = self.choices[0]
        self.current: ArmChoice | None = None
        """What is connected."""
        self.connecting = self.reconnecting = False
        self.reconnect_problem = ""
        """Why a lost arm is not back yet, in words."""
        self._controller, self._simulated, self._ports = controller, simulated, ports
        self._manual_ports: list[str] = []
        self._reported_problem = ""
        self._generation = 0
        """Grows with every change of mind: what was opened for an earlier one is let go."""
        self._unclaimed_arm: SceneArm | None = None
        """An arm that was opened and that nobody drives yet."""
        self._port_queue, self._scan_queue = BackgroundQueue(), BackgroundQueue()
        self._scan_timer = QTimer(self, interval=SCAN_PERIOD_MS)
        self._scan_timer.timeout.connect(self.scan)
        self._reconnect_timer = QTimer(self, interval=RECONNECT_PERIOD_MS, singleShot=True)
        self._reconnect_timer.timeout.connect(self._try_reconnect)

    # What there is

    def start_scanning(self) -> None:
        """Begin to watch the ports."""
        self.scan()
        self._scan_timer.start()

    def scan(self) -> None:
        """Look at ports and names, in another thread."""
        if not self._scan_queue.is_busy:
            self._scan_queue.submit(
                lambda: list_choices(self.registry, self._ports(), tuple(self._manual_ports)), self._on_scan
            )

    def _on_scan(self, found: tuple[tuple[ArmChoice, ...], str]) -> None:
        listed, problem = found
        if problem and problem != self._reported_problem:
            self.registry_problem_found.emit(problem)
        self._reported_problem = problem
        self._update_choices(listed)

    def _update_choices(self, listed: tuple[ArmChoice, ...]) -> None:
        """Take over a new list; what is chosen stays in it, though it may have been unplugged."""
        chosen = next((c for c in listed if c.key == self.chosen.key), None)
        if chosen is None:
            chosen = next((c for c in listed if self.chosen.device and c.device == self.chosen.device), None)
        if chosen is None:
            chosen = self.chosen if self._is_in_use(self.chosen) else listed[0]
            listed = listed if chosen in listed else (*listed, chosen)
        if self.current is not None and self.current.key not in {c.key for c in listed}:
            self.current = next((c for c in listed if c.device == self.current.device), self.current)
        if (listed, chosen) != (self.choices, self.chosen):
            self.choices, self.chosen = listed, chosen
            self.choices_changed.emit()

    def name_chosen_arm(self, name: str) -> None:
        """Give the chosen arm a name by which it is found again."""
        device = self.chosen.device
        self._scan_queue.submit(lambda: self.registry.register(name, device), self._on_named, self.naming_failed.emit)

    def _on_named(self, arm: RegisteredArm) -> None:
        self._manual_ports = [device for device in self._manual_ports if device != arm.device]
        self.arm_named.emit(arm.name)
        self.scan()

    def _is_in_use(self, choice: ArmChoice) -> bool:
        return self.reconnecting or self.connecting or (self.current is not None and self.current.key == choice.key)

    def choose_when_listed(self, key: str) -> None:
        """Choose, as soon as it is listed, a named arm that was chosen the last time."""
        if key.startswith("arm:"):
            name = key.removeprefix("arm:")
            self.chosen = ArmChoice(key, name, "", "", name, present=False)
            self.choices = (*(c for c in self.choices if c.key != key), self.chosen)
            self.choices_changed.emit()

    def choose(self, key: str) -> None:
        """Choose another arm; what is connected stays so until Connect is pressed."""
        found = next((choice for choice in self.choices if choice.key == key), None)
        if found is not None and found.key != self.chosen.key:
            self.chosen = found
            self.choices_changed.emit()

    def add_port(self, device: str) -> None:
        """Choose a port by its path, as that of a virtual arm."""
        device = device.strip()
        if not device:
            return
        if device not in self._manual_ports:
            self._manual_ports.append(device)
        listed, _ = list_choices(self.registry, (), tuple(self._manual_ports))
        found = next((c for c in (*self.choices, *listed) if c.device == device), None)
        if found is not None:
            self.chosen = found
            self.choices = self.choices if found in self.choices else (*self.choices, found)
            self.choices_changed.emit()

    # Connecting

    def connect_chosen(self) -> None:
        """Let go of what is connected, and connect what is chosen: ``opened`` or ``failed`` follows."""
        self.disconnect_arm()
        choice = self.chosen
        if choice.is_simulated:
            self._simulated.connect()
            self._attach(choice, self._simulated, False)
        else:
            self.connecting = True
            turn = self._generation
            self._port_queue.submit(
                partial(self._open_arm, turn, choice),
                partial(self._on_opened, turn, choice, False),
                partial(self._on_failure, turn),
            )

    def _open_arm(self, generation: int, choice: ArmChoice, lost_arm: SceneArm | None = None) -> SceneArm | None:
        """Open a port and switch the arm on where it is; called in another thread. Raises ArmError.

        ``before`` is the arm that was lost, which knows where its things stand. Return None if meanwhile nobody wants
        it any more.
        """
        arm: SceneArm = lost_arm or arm_registry.make_twinned_arm(choice.address, self.registry)
        arm.connect()
        if generation == self._generation:
            self._unclaimed_arm = arm
            return arm
        arm.disconnect()
        return None

    def _on_opened(self, generation: int, choice: ArmChoice, reconnected: bool, arm: SceneArm | None) -> None:
        self._unclaimed_arm = None
        if generation != self._generation:
            if arm is not None:
                self._port_queue.submit(arm.disconnect)
        elif arm is None:
            self._reconnect_timer.start()
            self.reconnect_failed.emit()
        else:
            self.connecting = self.reconnecting = False
            self._attach(choice, arm, reconnected)

    def _on_failure(self, generation: int, error: Exception) -> None:
        if generation == self._generation:
            self.connecting = False
            self.failed.emit(error)

    def _attach(self, choice: ArmChoice, arm: SceneArm, reconnected: bool) -> None:
        self.current = choice
        self._controller.attach(arm)
        self.arm_connected.emit(reconnected)

    def disconnect_arm(self) -> None:
        """Hold and let go of what is connected, and stop looking for what was lost."""
        self._generation += 1
        self.connecting = self.reconnecting = False
        self._reconnect_timer.stop()
        letting_go = self._controller.detach()
        if letting_go is not None:
            if self.current is not None and self.current.is_simulated:
                letting_go()
            else:
                self._port_queue.submit(letting_go, None, self.failed.emit)
        self.current = None

    # Lost and found

    def reconnect_lost_arm(self) -> None:
        """The connection broke: let go of what is left of it and look for the arm until it is back."""
        lost = self.current
        self.disconnect_arm()
        if lost is not None and not lost.is_simulated:
            self.reconnecting, self.reconnect_problem = True, ""
            self.chosen = lost
            self._reconnect_timer.start()

    def _try_reconnect(self) -> None:
        """Try once, in another thread."""
        turn, choice = self._generation, self.chosen
        self._port_queue.submit(
            partial(self._reopen_arm, turn, choice, self._controller.arm), partial(self._on_opened, turn, choice, True)
        )

    def _reopen_arm(self, generation: int, choice: ArmChoice, lost_arm: SceneArm) -> SceneArm | None:
        """Return the arm if it is back; called in another thread."""
        try:
            return self._open_arm(generation, choice, lost_arm)
        except ArmError as error:
            self.reconnect_problem = str(error)
            return None

    def close(self) -> None:
        """Let go and end every thread."""
        self._scan_timer.stop()
        self.disconnect_arm()
        self._scan_queue.close()
        with contextlib.suppress(ArmError):
            self._port_queue.close()
            if self._unclaimed_arm is not None:
                self._unclaimed_arm.disconnect()
