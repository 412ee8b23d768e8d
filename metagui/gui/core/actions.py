"""Actions of the window as records, so that menus, buttons and the shortcuts page are lists of keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QIcon, QKeySequence

from metagui.arms.so101.protection.alarms import CLEAR_OVERLOAD_TEXT
from metagui.gui.core.action_conditions import explain_disabled
from metagui.gui.core.app_state import AppSnapshot, ArmActivity
from metagui.gui.theme.colours import disabled_colour
from metagui.gui.theme.icons import make_icon

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from metagui.gui.theme.theme import Theme


@dataclass(frozen=True)
class ActionInfo:
    """One action: its key, text, icon, tooltip and shortcut."""

    key: str
    text: str
    icon: str
    tooltip: str
    shortcut: str = ""
    checkable: bool = False
    colour_name: str = "text"
    """Name of the theme colour of the icon."""
    condition_key: str = ""
    """Key in ``CONDITIONS`` that decides whether it is enabled; the action's own key if empty."""


ACTION_INFOS: tuple[ActionInfo, ...] = (
    ActionInfo("connect", "Connect", "connect", "Connect the selected arm, or disconnect it."),
    ActionInfo("calibrate", "Calibrate the arm", "arm", "Measure the range of motion of each joint."),
    ActionInfo(
        "check_pose",
        "Check the pose",
        "view",
        "Compare the arm with its model in three poses, and correct the zeros of its joints.",
    ),
    ActionInfo("camera", "Camera …", "camera", "Set up a camera that sees where the objects of this arm are."),
    ActionInfo(
        "picture",
        "Camera picture",
        "camera",
        "Show the camera's picture next to the 3-D view; clicks in it teach, too.",
        "Ctrl+Shift+P",
        checkable=True,
    ),
    ActionInfo("name_arm", "Name the arm", "rename", "Give the arm on this port a name by which it is found again."),
    ActionInfo("copy_command", "Copy the command", "folder", "Copy it, to paste it in a terminal."),
    ActionInfo(
        "clear_overload",
        CLEAR_OVERLOAD_TEXT,
        "again",
        "Give the overloaded motors their torque back; they hold where they are.",
    ),
    ActionInfo(
        "record", "Record", "record", "Record a new take while you click in the view.", "F9", colour_name="danger"
    ),
    ActionInfo("again", "Take again", "again", "Discard the newest take and record it again.", "Shift+F9"),
    ActionInfo(
        "again_here",
        "Record these steps again",
        "redo",
        "Record the listed steps once more by itself, from where the last take began.",
    ),
    ActionInfo(
        "again_elsewhere",
        "The same in a new scene",
        "shuffle",
        "Record the listed steps once more by itself, in a new scene.",
        "Ctrl+Shift+R",
    ),
    ActionInfo("discard", "Discard", "delete", "Move the newest take to the trash; undo restores it."),
    ActionInfo(
        "adapt", "Adapt", "adapt", "Learn the selected task from its takes.", "Ctrl+Return", colour_name="on_accent"
    ),
    ActionInfo("run", "Run", "run", "Run the selected task in a new scene.", "Ctrl+E"),
    ActionInfo(
        "measure",
        "Measure success",
        "success",
        "Run the selected task in fresh simulated scenes, and count how often it does what its takes show.",
        "Ctrl+Shift+E",
    ),
    ActionInfo("stop", "Stop", "stop", "Stop everything and hold the arm.", "Esc", colour_name="on_danger"),
    ActionInfo("undo", "Undo", "undo", "Undo the last change of the recordings.", "Ctrl+Z"),
    ActionInfo("redo", "Redo", "redo", "Repeat the change that was undone.", "Ctrl+Shift+Z"),
    ActionInfo("new_task", "New task", "plus", "Record the next take as a new task.", "Ctrl+N"),
    ActionInfo("rename", "Rename", "rename", "Rename the selected task.", "F2"),
    ActionInfo("delete", "Delete", "delete", "Move the selection to the trash; undo restores it.", "Del"),
    ActionInfo("duplicate", "Duplicate", "plus", "Copy the selection; an example can be changed in its copy."),
    ActionInfo("move", "Move to …", "goto", "Move the selection to another task.", "Ctrl+M"),
    ActionInfo("split", "Split off …", "split", "Make a task of its own of the selection.", "Ctrl+Shift+M"),
    ActionInfo("merge", "Merge into …", "merge", "Move all takes of the selection to another task."),
    ActionInfo("details", "Tags and notes …", "tag", "Edit tags and notes of the selection.", "Ctrl+T"),
    ActionInfo("success", "Mark as success", "success", "Mark that this take succeeded."),
    ActionInfo("failure", "Mark as failure", "failure", "Mark that this take failed."),
    ActionInfo("replay", "Replay in the view", "view", "Replay the selected take in the 3-D view.", "Ctrl+P"),
    ActionInfo("loop", "Repeat the replay", "loop", "Begin again at the end of the take.", checkable=True),
    ActionInfo("live", "Show the arm", "close", "Leave the take, and show the arm again."),
    ActionInfo("trim_start", "Begin here", "cut", "Let the selected take begin at the playhead; nothing is lost."),
    ActionInfo("trim_end", "End here", "cut", "Let the selected take end at the playhead; nothing is lost."),
    ActionInfo("trim_motion", "Cut to the motion", "cut", "Leave out the rests at both ends of the selected take."),
    ActionInfo("cut_pauses", "Cut out pauses", "cut", "Replace the selected take by one without its pauses."),
    ActionInfo("untrim", "Whole take", "undo", "Use the selected take from its first sample to its last again."),
    ActionInfo("replay_arm", "Replay on the arm", "run", "Repeat the selected take with the arm, slowly at first."),
    ActionInfo("search", "Search", "search", "Find a task by its name.", "Ctrl+F"),
    ActionInfo("folder", "Open folder", "folder", "Open the folder of the recordings."),
    ActionInfo("open_library", "Open library …", "folder", "Open another folder of recordings.", "Ctrl+O"),
    ActionInfo("import", "Import …", "import", "Add the takes of a file or data set of another program."),
    ActionInfo("export", "Export …", "export", "Write takes for another program."),
    ActionInfo("train", "Train the encoder", "compare", "Train the similarity encoder on your tasks."),
    ActionInfo(
        "shipped_encoder",
        "Use the shipped encoder",
        "back",
        "Go back from the encoder that was trained on your tasks to the one that ships with the program.",
    ),
    ActionInfo("compare", "Compare again", "again", "Embed every take again and rank the tasks."),
    ActionInfo("randomise", "New scene", "shuffle", "Place the cubes and zones at random.", "Ctrl+R"),
    ActionInfo("mark", "Mark objects", "place", "Drag cubes and zones to their real positions.", checkable=True),
    ActionInfo(
        "limp",
        "Guide by hand",
        "hand",
        "Guide the arm by hand; hold a limp one first.",
        "Ctrl+G",
        checkable=True,
    ),
    ActionInfo(
        "countdown", "Count down before recording", "clock", "Count 3-2-1 before a recording begins.", checkable=True
    ),
    ActionInfo(
        "home",
        "Home",
        "home",
        "Move the arm to its home pose over the table, gripper open.",
        "Ctrl+H",
        condition_key="motion",
    ),
    ActionInfo("up", "Up", "up", "Raise the gripper by 2 cm.", "Ctrl+Up", condition_key="motion"),
    ActionInfo("down", "Down", "down", "Lower the gripper by 2 cm.", "Ctrl+Down", condition_key="motion"),
    ActionInfo(
        "release", "Release", "release", "Open the gripper here and raise it.", "Ctrl+L", condition_key="motion"
    ),
    ActionInfo(
        "steps",
        "Steps",
        "list",
        "List the steps of the take, and give steps by keys instead of clicks.",
        "Ctrl+4",
        checkable=True,
    ),
    ActionInfo("view", "Reset view", "view", "Look at the table from the usual side.", "Ctrl+0"),
    ActionInfo("light", "Light", "view", "Light colours.", checkable=True),
    ActionInfo("dark", "Dark", "moon", "Dark colours.", checkable=True),
    ActionInfo("system", "As the desktop", "view", "Follow the colours of the desktop.", checkable=True),
    ActionInfo("preferences", "Preferences …", "settings", "Choose library, colours, countdowns, sounds.", "Ctrl+,"),
    ActionInfo("keys", "Keys", "keys", "Show all shortcuts.", "F1"),
    ActionInfo("about", "About metagui", "info", "Show the version, and where recordings and log are."),
    ActionInfo("copy_details", "Copy details", "info", "Copy the version and the end of the log, for a report."),
    ActionInfo("tasks_region", "Go to the tasks", "folder", "Move the focus to the list of tasks.", "Ctrl+1"),
    ActionInfo("arm_region", "Go to the arm", "arm", "Move the focus to the 3-D view.", "Ctrl+2"),
    ActionInfo("plots_region", "Go to the plots", "adapt", "Move the focus to curves and similarity.", "Ctrl+3"),
    ActionInfo("quit", "Quit", "close", "Hold the arm and close the window.", "Ctrl+Q"),
    ActionInfo("stop_learning", "Stop and keep", "stop", "Stop learning now and keep the result so far."),
    ActionInfo("cancel_learning", "Cancel", "close", "Stop learning now and discard the result."),
)
CHECKED_MENU_ACTIONS = ("countdown", "light", "dark", "system")
"""Checkable entries of the menu; a tick replaces their icon."""
ALWAYS_ENABLED = ("stop", "steps", "search", "folder", "preferences", "keys", "view", "about", "copy_details", "quit")


class Actions(QObject):
    """The actions of one window as QActions, enabled and explained by ``action_conditions``."""

    def __init__(self, window: QWidget, theme: Theme) -> None:
        super().__init__(window)
        self._theme = theme
        self._recording = False
        self._colour_names = {info.key: info.colour_name for info in ACTION_INFOS}
        self._actions = {info.key: self._make_action(info, window) for info in ACTION_INFOS}
        theme.changed.connect(self._update_icons)
        self._update_icons()

    def __getitem__(self, key: str) -> QAction:
        return self._actions[key]

    def set_icon_colour(self, key: str, colour_name: str) -> None:
        """Draw the icon of an action in another colour of the theme."""
        self._colour_names[key] = colour_name
        self._update_icons()

    def _make_action(self, info: ActionInfo, window: QWidget) -> QAction:
        action = QAction(info.text, self)
        action.setCheckable(info.checkable)
        if info.shortcut:
            action.setShortcuts(_key_sequences(info))
        action.setToolTip(make_tooltip(info, None))
        if info.key in CHECKED_MENU_ACTIONS:
            action.toggled.connect(self._update_check_icons)
        window.addAction(action)
        return action

    def _update_icons(self) -> None:
        colours = self._theme.colours
        for info in ACTION_INFOS:
            tint, dull = getattr(colours, self._colour_names[info.key]), disabled_colour(colours).name()
            name = "finish" if info.key == "record" and self._recording else info.icon
            self._actions[info.key].setIcon(make_icon(name, tint, dull))
        self._update_check_icons()

    def _update_check_icons(self) -> None:
        """Show in the menu which entries are checked."""
        for action in (self._actions[key] for key in CHECKED_MENU_ACTIONS):
            action.setIcon(make_icon("check", self._theme.colours.text) if action.isChecked() else QIcon())

    def refresh(self, snapshot: AppSnapshot) -> None:
        """Enable the actions that are possible; the tooltip of a disabled one gives the reason."""
        for info in ACTION_INFOS:
            missing = explain_disabled(info.condition_key or info.key, snapshot)
            self._actions[info.key].setEnabled(missing is None)
            self._actions[info.key].setToolTip(make_tooltip(info, missing, snapshot))
        self._update_texts(snapshot)

    def _update_texts(self, snapshot: AppSnapshot) -> None:
        """Set the texts that depend on the state."""
        recording = snapshot.state is ArmActivity.RECORDING
        self["record"].setText("Finish" if recording else "Record")
        if recording is not self._recording:
            self._recording = recording
            self._update_icons()
        noun = "demonstration" if snapshot.take_count == 1 else "demonstrations"
        self["adapt"].setText(f"Adapt to {snapshot.take_count} {noun}" if snapshot.take_count else "Adapt")
        self["connect"].setText(connect_text(snapshot))
        self["limp"].setText("Hold" if snapshot.torque_off else "Guide by hand")
        self["limp"].setChecked(snapshot.torque_off)
        self["countdown"].setChecked(snapshot.counts_down)
        selected = snapshot.task is not None
        self["delete"].setText(f"Delete {describe_selection(snapshot)}" if selected else "Delete")
        self["undo"].setText(f"Undo {snapshot.undo_text}" if snapshot.undo_text else "Undo")
        self["redo"].setText(f"Redo {snapshot.redo_text}" if snapshot.redo_text else "Redo")


def connect_text(snapshot: AppSnapshot) -> str:
    """Return the text of the Connect button."""
    if snapshot.state is ArmActivity.CONNECTING:
        return "Cancel"
    return (
        "Connect"
        if snapshot.state in (ArmActivity.NO_ARM, ArmActivity.ERROR) or not snapshot.same_arm
        else "Disconnect"
    )


def describe_selection(snapshot: AppSnapshot) -> str:
    """Return words for the selected take or task."""
    if len(snapshot.selected) > 1:
        return snapshot.selected.describe()
    if snapshot.task is None:
        return "the selection"
    return f"take {snapshot.take} of “{snapshot.task}”" if snapshot.take else f"“{snapshot.task}”"


def name_objects(text: str, snapshot: AppSnapshot) -> str:
    """Return the description of an action with the names of the task and the take on which it acts."""
    if snapshot.newest_take is not None:
        newest = snapshot.newest_take
        text = text.replace("the newest take", f"take {newest.take} of “{newest.task}”")
    if snapshot.task is not None:
        text = text.replace("the selected task", f"“{snapshot.task}”").replace(
            "the selected take", describe_selection(snapshot)
        )
    return text.replace("the selection", describe_selection(snapshot))


def make_tooltip(info: ActionInfo, problem: str | None, snapshot: AppSnapshot | None = None) -> str:
    """Return what an action does and on what, or the problem that disables it, and its shortcut."""
    key = f"  ({_key_sequences(info)[0].toString(QKeySequence.SequenceFormat.NativeText)})" if info.shortcut else ""
    text = info.tooltip if snapshot is None else name_objects(info.tooltip, snapshot)
    return f"{problem or text}{key}"


def _key_sequences(info: ActionInfo) -> list[QKeySequence]:
    """Return the shortcuts of an action, with Enter of the numeric keypad and the second key of redo."""
    extra = {"Ctrl+Return": ["Ctrl+Enter"], "Ctrl+Shift+Z": ["Ctrl+Y"]}
    return [QKeySequence(text) for text in [info.shortcut, *extra.get(info.shortcut, [])]]
