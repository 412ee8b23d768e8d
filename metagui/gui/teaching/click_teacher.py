"""What a click in the 3-D view means: tool and picked point in, a Click or a reason why not out. Qt-free.

The same proposal is shown while hovering and carried out when clicked, so the hint never lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import UnreachableError
from metagui.arms.kinematics import inverse
from metagui.arms.simulation.scene import TABLE_CENTRE
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.programs.program import ProgramError, describe, goals, situation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import Anchor, FloatArray, Observation


@dataclass(frozen=True)
class Tool:
    """One thing the pointer can ask for: its verb, the words on its button, its key and its hint."""

    verb: str
    text: str
    icon: str
    shortcut: str
    tooltip: str


TOOLS: tuple[Tool, ...] = (
    Tool("reach", "Go to", "goto", "Alt+1", "Click a point or a thing: the gripper goes above it."),
    Tool("grasp", "Grasp", "grasp", "Alt+2", "Click a cube: the gripper takes it and lifts it."),
    Tool("place", "Place", "place", "Alt+3", "Click where the held cube shall be put."),
    Tool("push", "Push", "push", "Alt+4", "Click a cube, then where it shall be pushed."),
    Tool("press", "Press", "press", "Alt+5", "Click a cube: the closed gripper touches it from above."),
    Tool("trace", "Trace", "trace", "Alt+6", "Click a thing: the gripper draws a circle above it."),
)

ABOVE = 0.05
"""How far above a clicked point *Go to* ends, m."""
CIRCLE = {"shape": "circle", "radius": 0.03, "direction": 1.0}
TRACE_HEIGHT = 0.06
NUDGE = 0.02
"""How far *Up* and *Down* move, m."""
_FOLLOWING = {"grasp": "place", "place": "grasp"}


@dataclass(frozen=True)
class Proposal:
    """What a click here would do: ``click`` if anything, and in any case why or what, in words."""

    hint: str
    click: Click | None = None
    first: str | None = None
    """The cube chosen by the first of two clicks."""
    refused: bool = False
    """Whether the hint says why this cannot be done."""


@dataclass(frozen=True)
class Hand:
    """What the hand will hold when everything queued is done."""

    held: str | None = None

    def after(self, click: Click) -> Hand:
        """Return the hand after one more click."""
        if click.verb == "grasp":
            return Hand(click.anchor)
        return Hand() if click.verb in ("place", "release") else self


@dataclass
class Teacher:
    """Remembers the tool in hand and, for a push, the cube already chosen."""

    anchors: Sequence[Anchor]
    verb: str = "grasp"
    first: str | None = None
    hand: Hand = field(default_factory=Hand)

    def choose(self, verb: str) -> None:
        """Take up another tool."""
        self.verb, self.first = verb, None

    def kind(self, anchor: str) -> str:
        """Return whether an anchor is a cube, a zone or the table."""
        return next(a.kind for a in self.anchors if a.name == anchor)

    def propose(self, anchor: str, point: FloatArray, now: Observation | None) -> Proposal:
        """Say what a click on ``anchor`` at ``point`` (3,) m would do in the scene as it is ``now``."""
        proposal = self._proposed(anchor, point)
        if proposal.click is None or now is None:
            return proposal
        return self._reachable(proposal, now)

    def accept(self, proposal: Proposal) -> None:
        """Take in that a proposal was clicked: the tool moves on to what usually follows."""
        if proposal.click is None:
            self.first = proposal.first
            return
        self.hand = self.hand.after(proposal.click)
        self.choose(_FOLLOWING.get(self.verb, self.verb))

    def _proposed(self, anchor: str, point: FloatArray) -> Proposal:
        kind = self.kind(anchor)
        if self.verb in ("grasp", "press") and kind != "cube":
            return Proposal(f"Click a cube to {self.verb} it", refused=True)
        if self.verb == "grasp" and self.hand.held:
            return Proposal(f"The {self.hand.held} is held; place it first", refused=True)
        if self.verb == "place":
            return self._placing(anchor, point)
        if self.verb == "push":
            return self._pushing(anchor, point, kind)
        return _proposal(Click(self.verb, anchor, None, self._parameters(anchor, point)))

    def _parameters(self, anchor: str, point: FloatArray) -> Mapping[str, Any]:
        if self.verb == "reach":
            return {"offset": _beside(anchor, point, ABOVE)}
        if self.verb == "trace":
            return CIRCLE | {"offset": _beside(anchor, point, TRACE_HEIGHT)}
        return {}

    def _placing(self, anchor: str, point: FloatArray) -> Proposal:
        if self.hand.held is None:
            return Proposal("Nothing is held; grasp a cube first", refused=True)
        if self.hand.held == anchor:
            return Proposal("Click where to put it, not the cube itself", refused=True)
        parameters = {"offset": _beside(anchor, point, 0.0)} if anchor == "table" else {}
        return _proposal(Click("place", anchor, None, parameters))

    def _pushing(self, anchor: str, point: FloatArray, kind: str) -> Proposal:
        if self.hand.held:
            return Proposal(f"The {self.hand.held} is held; place it first", refused=True)
        if kind == "cube":
            return Proposal(f"Push the {anchor} …  then click where to", first=anchor)
        if self.first is None:
            return Proposal("Click the cube to push first", refused=True)
        parameters = {"offset": _beside(anchor, point, 0.0)} if kind == "table" else {}
        return _proposal(Click("push", self.first, anchor, parameters))

    def _reachable(self, proposal: Proposal, now: Observation) -> Proposal:
        """Refuse what the arm cannot reach, before anything moves."""
        assert proposal.click is not None
        try:
            for goal in goals(situation(proposal.click, self.anchors, now)):
                inverse(goal, 0.0)
        except UnreachableError:
            return replace(proposal, click=None, hint="Out of the arm's reach", refused=True)
        except ProgramError as error:
            return replace(proposal, click=None, hint=str(error), refused=True)
        return proposal


def _proposal(click: Click) -> Proposal:
    words = describe(click).replace("table", "this point")
    return Proposal(words[0].upper() + words[1:], click)


def _beside(anchor: str, point: FloatArray, height: float) -> tuple[float, float, float]:
    """Return the offset that belongs to a clicked point: from the table's centre, or straight above a thing."""
    if anchor != "table":
        return (0.0, 0.0, height)
    x, y, _ = np.round(point - TABLE_CENTRE, 4)
    return (float(x), float(y), height)


def nudge(up: bool) -> Click:
    """Return the click of the Up or the Down button."""
    return Click("move", "table", None, {"offset": (0.0, 0.0, NUDGE if up else -NUDGE)})


def home() -> Click:
    """Return the click of the Home button."""
    return Click("home", "table", None, {"offset": (0.0, 0.0, 0.10)})


def release() -> Click:
    """Return the click of the Release button."""
    return Click("release", "table")


def name_of(clicks: Sequence[Click]) -> str:
    """Return a task's name from what was clicked: *grasp red cube → place on yellow zone*."""
    told = [describe(c) for c in clicks if c.verb not in ("move", "home")]
    return " → ".join(told[:3]) or "free motion"
