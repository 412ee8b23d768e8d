"""The application's Qt style sheet: one template with named colours, laid out on a grid of 8 pixels."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from metagui.gui.theme.colours import DARK_COLOURS, disabled_colour
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from metagui.gui.theme.colours import Colours

_TEMPLATE = Template("""
QToolTip { background: $raised; color: $text; border: 1px solid $border; padding: 4px 6px; }
QMainWindow, QDialog, QWidget#canvas { background: $window; }
QSplitter::handle { background: transparent; }
QFrame#panel { background: $panel; border: 1px solid $border; border-radius: 10px; }
QFrame#topBar { background: $panel; border: none; border-bottom: 1px solid $border; }
QFrame#statusBar { background: $panel; border: none; border-top: 1px solid $border; }
QFrame#separator { background: $border; border: none; max-width: 1px; min-width: 1px; }
QLabel { background: transparent; }
QLabel#title { font-weight: 600; }
QLabel#muted, QLabel#sentence { color: $muted; }
QLabel#heading { font-weight: 600; }
QLabel#alarm { color: $danger; }

QPushButton, QToolButton { border: 1px solid $border; border-radius: 6px; background: $raised; color: $text;
  padding: 5px 10px; }
QPushButton:hover, QToolButton:hover { border-color: $accent; }
QPushButton:pressed, QToolButton:pressed { background: $selection; }
QPushButton:focus, QToolButton:focus { border: 2px solid $accent; padding: 4px 9px; }
QPushButton:disabled, QToolButton:disabled { color: $faded; background: $panel; border-color: $border; }
QPushButton:checked, QToolButton:checked { background: $selection; border-color: $accent; color: $text; }
QToolButton::menu-indicator { image: none; }
QToolButton#mode { padding-right: 24px; }
QToolButton#mode:focus { padding-right: 23px; }
QToolButton#mode::menu-indicator { image: url($icons/chevron-$tone.svg); width: 14px; height: 14px;
  subcontrol-origin: padding; subcontrol-position: right center; right: 6px; }

QPushButton#big, QPushButton#primary, QPushButton#record, QPushButton#stop { padding: 6px 14px; min-height: 24px; }
QPushButton#big:focus, QPushButton#primary:focus, QPushButton#record:focus, QPushButton#stop:focus {
  padding: 5px 13px; }
QPushButton#primary { background: $accent; color: $on_accent; border-color: $accent; font-weight: 600; }
QPushButton#primary:hover, QPushButton#primary:focus { border-color: $text; }
QPushButton#primary:disabled { background: $raised; color: $faded; border-color: $border; }
QPushButton#record { font-weight: 600; }
QPushButton#stop { background: $danger; color: $on_danger; border-color: $danger; font-weight: 600; }
QPushButton#stop:hover, QPushButton#stop:focus { border-color: $text; }
QPushButton#flat, QToolButton#flat { background: transparent; border: 1px solid transparent; padding: 4px 6px; }
QPushButton#flat:hover, QToolButton#flat:hover { background: $raised; }
QPushButton#flat:focus, QToolButton#flat:focus { border: 2px solid $accent; padding: 3px 5px; }
QPushButton#tool { background: transparent; border: 1px solid transparent; padding: 4px 5px; }
QPushButton#tool:hover { background: $raised; }
QPushButton#tool:checked { background: $selection; border-color: $accent; }
QPushButton#tool:focus { border: 2px solid $accent; padding: 3px 4px; }
QPushButton#toggle { background: transparent; border: 1px solid transparent; padding: 4px 6px; }
QPushButton#toggle:hover { background: $raised; }
QPushButton#toggle:checked { background: $selection; border-color: $accent; }
QPushButton#toggle:focus { border: 2px solid $accent; padding: 3px 5px; }
QPushButton#segment { background: transparent; border: 1px solid transparent; border-radius: 5px; padding: 2px 5px;
  color: $muted; }
QPushButton#segment:hover { color: $text; }
QPushButton#segment:checked { background: $panel; color: $text; border-color: $border; }
QPushButton#segment:focus { border: 2px solid $accent; padding: 1px 4px; }
QFrame#segments { background: $raised; border: none; border-radius: 7px; }

QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox { background: $raised; border: 1px solid $border; border-radius: 6px;
  padding: 4px 8px; color: $text; selection-background-color: $accent; selection-color: $on_accent;
  min-height: 20px; }
QLineEdit:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus { border: 2px solid $accent; padding: 3px 7px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { subcontrol-origin: border; width: 22px; border: none; }
QAbstractSpinBox::up-button { subcontrol-position: top right; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: $selection; }
QAbstractSpinBox::up-arrow { image: url($icons/chevron-up-$tone.svg); width: 12px; height: 12px; }
QAbstractSpinBox::down-arrow { image: url($icons/chevron-$tone.svg); width: 12px; height: 12px; }
QPlainTextEdit { background: $panel; border: 1px solid $border; border-radius: 6px; padding: 4px; color: $text;
  selection-background-color: $accent; selection-color: $on_accent; }
QPlainTextEdit:focus { border: 2px solid $accent; padding: 3px; }
QLineEdit#editor { padding: 0px 4px; border-radius: 4px; }
QComboBox { combobox-popup: 0; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow { image: url($icons/chevron-$tone.svg); width: 14px; height: 14px; }
QComboBox QAbstractItemView { background: $panel; border: 1px solid $border; selection-background-color: $selection; }

QCheckBox::indicator, QRadioButton::indicator { width: 14px; height: 14px; border: 1px solid $muted;
  background: $raised; }
QCheckBox::indicator { border-radius: 3px; }
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url($icons/check-$tone.svg); }
QRadioButton::indicator:checked { border: 5px solid $accent; width: 6px; height: 6px; }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border-color: $accent; }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled { border-color: $border; }
QCheckBox:focus, QRadioButton:focus { color: $accent; }

QTreeView, QListView, QTableView, QScrollArea { background: transparent; border: none; outline: none; }
QTreeView { show-decoration-selected: 0; }
QScrollArea > QWidget > QWidget { background: transparent; }
QMenu { background: $panel; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 6px 24px 6px 12px; border-radius: 4px; color: $text; }
QMenu::item:selected { background: $selection; }
QMenu::item:disabled { color: $faded; }
QMenu::separator { height: 1px; background: $border; margin: 4px 8px; }
QMenu::icon { padding-left: 8px; }

QProgressBar { background: $raised; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: $border; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px; }
QScrollBar::handle:hover { background: $faded; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QFrame#banner { background: $selection; border: none; border-bottom: 1px solid $border; }
QFrame#chip { background: $raised; border: 1px solid $border; border-radius: 12px; }
QFrame#bubble { background: $panel; border: 1px solid $border; border-radius: 6px; }
""")


def make_stylesheet(colours: Colours) -> str:
    """Return the application's style sheet for a set of colours."""
    names = {key: value for key, value in vars(colours).items() if isinstance(value, str)}
    icons = (resources_dir() / "icons").as_posix()
    tone = "dark" if colours is DARK_COLOURS else "light"
    return _TEMPLATE.substitute(names, faded=disabled_colour(colours).name(), icons=icons, tone=tone)
