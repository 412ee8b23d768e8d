"""Connection to arms: lists, selects, connects, disconnects and reconnects them without blocking the window.

All access to ports runs in a background queue of its own, in order, so that an arm is closed before it is reopened.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.arm import ArmError
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101 import arm_registry
from metagui.gui.arm.arm_choices import ArmChoice, list_choices, make_simulated_choice
from metagui.gui.core.background_queue import BackgroundQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.feetech.serial_port import UsbPort
    from metagui.arms.so101.arm_registry import ArmRegistry, RegisteredArm
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.capabilities import SceneArm
    from metagui.gui.core.messages import Messages

SCAN_PERIOD_MS = 1500
"""Time between two scans of the ports, ms."""
RECONNECT_PERIOD_MS = 1000
"""Time between two attempts to reconnect a lost arm, ms."""


class ArmConnection(QObject):
    """Model of the arm picker, and the connection to the selected arm."""

    choices_changed = Signal()
    """The list, the selection or ``reconnect_problem`` has changed."""
    arm_connected = Signal(bool)
    """The selected arm is connected and its control loop runs; True if it had been lost before."""
    failed = Signal(object)
    """An exception: the arm could not be connected or disconnected."""

    def __init__(
        self,
        controller: ArmController,
        simulated: SceneArm,
        registry: ArmRegistry,
        ports: Callable[[], tuple[UsbPort, ...]],
        messages: Messages,
    ) -> None:
        super().__init__()
        self.registry = registry
        self.choices: tuple[ArmChoice, ...] = (make_simulated_choice(),)
        self.chosen = self.choices[0]
        self.current: ArmChoice | None = None
        """The connected arm, or None."""
        self.connecting = self.reconnecting = False
        self.reconnect_problem = ""
        """Reason why a lost arm is not connected yet; empty before the first attempt."""
        self._controller, self._simulated, self._ports, self._messages = controller, simulated, ports, messages
        self._manual_ports: list[str] = []
        self._reported_problem = ""
        self._generation = 0
        """Number of the present attempt: an arm that was opened for an earlier one is closed again."""
        self._unclaimed_arm: SceneArm | None = None
        """An arm that is open but not attached to the controller yet."""
        self._port_queue = BackgroundQueue(messages.post_error)
        self._scan_queue = BackgroundQueue(messages.post_error)
        self._scan_timer = QTimer(self, interval=SCAN_PERIOD_MS)
        self._scan_timer.timeout.connect(self.scan)
        self._reconnect_timer = QTimer(self, interval=RECONNECT_PERIOD_MS, singleShot=True)
        self._reconnect_timer.timeout.connect(self._try_reconnect)

    # List and selection

    def start_scanning(self) -> None:
        """Start to scan the ports periodically."""
        self.scan()
        self._scan_timer.start()

    def scan(self) -> None:
        """Update the list of arms from ports and registry, in another thread."""
        if not self._scan_queue.is_busy:
            self._scan_queue.submit(
                lambda: list_choices(self.registry, self._ports(), tuple(self._manual_ports)),
                self._on_scan,
                self._on_scan_failed,
            )

    def _on_scan(self, found: tuple[tuple[ArmChoice, ...], str]) -> None:
        listed, problem = found
        self._report_problem(problem)
        self._update_choices(listed)

    def _on_scan_failed(self, error: Exception) -> None:
        self._report_problem(str(error) or type(error).__name__)

    def _report_problem(self, problem: str) -> None:
        """Post a problem of the list once, not at every scan."""
        if problem and problem != self._reported_problem:
            self._messages.post(problem, "error")
        self._reported_problem = problem

    def _update_choices(self, listed: tuple[ArmChoice, ...]) -> None:
        """Replace the list; an arm in use stays selected even if it was unplugged."""
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
        """Register the selected arm under a name, which then identifies it on any port."""
        device = self.chosen.device
        self._scan_queue.submit(lambda: self.registry.register(name, device), self._on_named, self._on_naming_failed)

    def _on_named(self, arm: RegisteredArm) -> None:
        self._manual_ports = [device for device in self._manual_ports if device != arm.device]
        self._messages.post(f"This arm is called “{arm.name}” from now on, on any port.", "success")
        self.scan()

    def _on_naming_failed(self, error: Exception) -> None:
        self._messages.post(str(error), "warning", "name_arm")

    def _is_in_use(self, choice: ArmChoice) -> bool:
        return self.reconnecting or self.connecting or (self.current is not None and self.current.key == choice.key)

    def choose_when_listed(self, key: str) -> None:
        """Select a named arm that may not be listed yet, such as the one selected when the window was closed."""
        if key.startswith("arm:"):
            name = key.removeprefix("arm:")
            self.chosen = ArmChoice(key, name, "", "", name, present=False)
            self.choices = (*(c for c in self.choices if c.key != key), self.chosen)
            self.choices_changed.emit()

    def choose(self, key: str) -> None:
        """Select an arm; the present one stays connected until Connect is pressed."""
        found = next((choice for choice in self.choices if choice.key == key), None)
        if found is not None and found.key != self.chosen.key:
            self.chosen = found
            self.choices_changed.emit()

    def add_port(self, device: str) -> None:
        """Add a port by its path, such as that of an emulated arm, and select it."""
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
        """Disconnect the present arm and connect the selected one; ``arm_connected`` or ``failed`` follows."""
        self.disconnect_arm()
        choice = self.chosen
        if choice.is_simulated:
            self._simulated.connect()
            self._attach(choice, self._simulated, False)
        else:
            self.connecting = True
            generation = self._generation
            self._port_queue.submit(
                partial(self._open_arm, generation, choice),
                partial(self._on_opened, generation, choice, False),
                partial(self._on_failure, generation),
            )

    def _open_arm(self, generation: int, choice: ArmChoice, lost_arm: SceneArm | None = None) -> SceneArm | None:
        """Open an arm and hold its position; called in another thread. Raises ArmError.

        ``lost_arm`` is opened again if given, because it has the positions of its objects. Return None if the attempt
        was superseded by another one.
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
            self.choices_changed.emit()
        else:
            self.connecting = self.reconnecting = False
            self._attach(choice, arm, reconnected)

    def _on_failure(self, generation: int, error: Exception) -> None:
        if generation == self._generation:
            self.connecting = self.reconnecting = False
            self.failed.emit(error)

    def _attach(self, choice: ArmChoice, arm: SceneArm, reconnected: bool) -> None:
        self.current = choice
        self._controller.attach(arm)
        self.arm_connected.emit(reconnected)
        if isinstance(arm, TwinnedArm):
            for warning in arm.list_warnings():
                self._messages.post(warning, "warning")

    def disconnect_arm(self) -> None:
        """Hold and disconnect the arm, and stop the attempts to reconnect a lost one."""
        self._generation += 1
        self.connecting = self.reconnecting = False
        self._reconnect_timer.stop()
        close_arm = self._controller.detach()
        if close_arm is not None:
            if self.current is not None and self.current.is_simulated:
                close_arm()
            else:
                self._port_queue.submit(close_arm, None, self.failed.emit)
        self.current = None

    # Reconnecting

    def reconnect_lost_arm(self) -> None:
        """Close the broken connection and try to reconnect the arm until it is back."""
        lost = self.current
        self.disconnect_arm()
        if lost is not None and not lost.is_simulated:
            self.reconnecting, self.reconnect_problem = True, ""
            self.chosen = lost
            self._reconnect_timer.start()

    def _try_reconnect(self) -> None:
        """Try to reconnect once, in another thread."""
        generation, choice = self._generation, self.chosen
        self._port_queue.submit(
            partial(self._reopen_arm, generation, choice, self._controller.arm),
            partial(self._on_opened, generation, choice, True),
            partial(self._on_failure, generation),
        )

    def _reopen_arm(self, generation: int, choice: ArmChoice, lost_arm: SceneArm) -> SceneArm | None:
        """Return the arm if it could be opened, else None; called in another thread."""
        try:
            return self._open_arm(generation, choice, lost_arm)
        except ArmError as error:
            self.reconnect_problem = str(error)
            return None

    def close(self) -> None:
        """Disconnect the arm and end all threads."""
        self._scan_timer.stop()
        self.disconnect_arm()
        self._scan_queue.close()
        with contextlib.suppress(ArmError):
            self._port_queue.close()
            if self._unclaimed_arm is not None:
                self._unclaimed_arm.disconnect()
