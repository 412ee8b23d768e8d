"""Click programs: tasks as data. A program is a list of clicks, kept as JSON, that a person or a script carries out."""

from __future__ import annotations

import difflib
import json
import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import UnreachableError
from metagui.arms.kinematics import Motion, inverse
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.primitives.grasping import place_goal, slide_goal
from metagui.demonstrations.primitives.primitive import Memory, Situation, Style
from metagui.demonstrations.primitives.pushing import push_goal
from metagui.demonstrations.primitives.registry import LAWS, reach_goal
from metagui.demonstrations.primitives.tracing import PATHS, traced_corners, traced_ellipse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from metagui.arms.arm import Anchor, FloatArray, Observation

FORMAT = 1
"""Version of the program file."""

VERBS: Mapping[str, tuple[str, ...]] = {
    "reach": ("offset",),
    "grasp": ("height",),
    "place": ("offset",),
    "slide": ("offset",),
    "release": (),
    "push": ("offset",),
    "press": (),
    "trace": ("shape", "radius", "ratio", "plane", "direction", "offset", "angle", "length", "width"),
    "move": ("offset",),
    "home": ("offset",),
}
"""Every verb and the parameters it takes; offsets and lengths in m, angles in rad."""

PATIENCE = 500
"""Decisions (20 s) after which a click that is not done is given up."""


class ProgramError(Exception):
    """A program file or a click in it is wrong; the message says where and what would be right."""


@dataclass(frozen=True)
class ClickProgram:
    """A task as data: what to set up unrecorded, and the clicks to show."""

    name: str
    clicks: tuple[Click, ...]
    setup: tuple[Click, ...] = ()
    family: str = ""
    """What kind of task this is, to sort results by."""


def describe(click: Click) -> str:
    """Say a click in words, as the window and the file listings show it."""
    other = f" to {click.target}" if click.target else ""
    words = {
        "reach": "go to",
        "place": "place on",
        "slide": "slide to",
        "trace": f"trace a {click.parameters.get('shape', 'circle')} at",
    }
    if click.verb in ("move", "home", "release"):
        return click.verb
    return f"{words.get(click.verb, click.verb)} {click.anchor}{other}"


def click_to_dict(click: Click) -> dict[str, Any]:
    """Return the click as plain JSON values."""
    out: dict[str, Any] = {"verb": click.verb, "anchor": click.anchor}
    if click.target is not None:
        out["target"] = click.target
    return out | {k: list(v) if isinstance(v, tuple) else v for k, v in click.parameters.items()}


def click_from_dict(values: Any, place: str = "click") -> Click:
    """Build a click from JSON values. Raises ProgramError naming ``place`` and what would be right."""
    if not isinstance(values, dict):
        raise ProgramError(f"{place} is {type(values).__name__}, not an object with verb and anchor.")
    verb = values.get("verb")
    if not isinstance(verb, str) or verb not in VERBS:
        raise ProgramError(f"{place} has the verb {verb!r}; it can be {', '.join(VERBS)}.{_closest(verb, VERBS)}")
    anchor, target = values.get("anchor"), values.get("target")
    if not isinstance(anchor, str) or not (target is None or isinstance(target, str)):
        raise ProgramError(f"{place} ({verb}) needs an anchor by name, such as 'red cube'.")
    parameters = {k: v for k, v in values.items() if k not in ("verb", "anchor", "target")}
    for name, value in parameters.items():
        if name not in VERBS[verb]:
            valid = ", ".join(VERBS[verb]) or "none"
            raise ProgramError(f"{place} ({verb}) has no parameter {name!r}; it takes {valid}.")
        parameters[name] = _checked(value, name, f"{place} ({verb})")
    return Click(verb, anchor, target, parameters)


def _checked(value: Any, name: str, place: str) -> Any:
    """Return one parameter, offsets as tuples. Raises ProgramError."""
    if name in ("shape", "plane"):
        valid = ("circle", "ellipse", *PATHS) if name == "shape" else ("horizontal", "vertical")
        if value not in valid:
            raise ProgramError(f"{place}: {name} is {value!r}; it can be {', '.join(valid)}.")
        return value
    numbers = value if name == "offset" else [value]
    if not isinstance(numbers, list | tuple) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in numbers
    ):
        raise ProgramError(f"{place}: {name} must be finite numbers, not {value!r}.")
    if name != "offset":
        return float(value)
    if len(numbers) != 3:
        raise ProgramError(f"{place}: offset must be three numbers in metres, not {len(numbers)}.")
    return tuple(float(v) for v in numbers)


def _closest(word: Any, valid: Iterable[str]) -> str:
    found = difflib.get_close_matches(str(word), list(valid), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _program_from_dict(values: Any, place: str) -> ClickProgram:
    if not isinstance(values, dict) or not isinstance(values.get("name"), str) or not values["name"].strip():
        raise ProgramError(f"{place} must be an object with a name and clicks.")
    place = f"{place} {values['name']!r}"
    clicks = _clicks(values.get("clicks"), f"{place}, click")
    if not clicks:
        raise ProgramError(f"{place} has no clicks; it needs at least one.")
    setup = _clicks(values.get("setup", []), f"{place}, setup click")
    return ClickProgram(values["name"], clicks, setup, str(values.get("family", "")))


def _clicks(values: Any, place: str) -> tuple[Click, ...]:
    if not isinstance(values, list):
        raise ProgramError(f"{place}s must be a list.")
    return tuple(click_from_dict(v, f"{place} {i + 1}") for i, v in enumerate(values))


def load_programs(path: Path) -> tuple[ClickProgram, ...]:
    """Read a program file: ``{"format": 1, "programs": [...]}``. Raises ProgramError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(f"{path} cannot be read ({error}). Nothing was changed.") from error
    except json.JSONDecodeError as error:
        raise ProgramError(f"{path} is not JSON: {error}. Nothing was changed.") from error
    if not isinstance(document, dict) or not isinstance(document.get("programs"), list):
        raise ProgramError(f"{path} is not a program file: it needs an object with a list called programs.")
    if document.get("format") != FORMAT:
        raise ProgramError(f"{path} has format {document.get('format')!r}; this metagui reads format {FORMAT}.")
    programs = tuple(_program_from_dict(v, f"{path.name}: program {i + 1}") for i, v in enumerate(document["programs"]))
    names = [p.name for p in programs]
    for name in names:
        if names.count(name) > 1:
            raise ProgramError(f"{path}: two programs are called {name!r}; names must differ.")
    return programs


def save_programs(path: Path, programs: Sequence[ClickProgram]) -> None:
    """Write a program file that ``load_programs`` reads back."""
    rows = []
    for program in programs:
        row: dict[str, Any] = {"name": program.name, "family": program.family}
        if program.setup:
            row["setup"] = [click_to_dict(c) for c in program.setup]
        rows.append(json.dumps(row | {"clicks": [click_to_dict(c) for c in program.clicks]}))
    body = ",\n  ".join(rows)
    path.write_text(f'{{"format": {FORMAT}, "programs": [\n  {body}\n]}}\n', encoding="utf-8")


def resolve(name: str, anchors: Sequence[Anchor]) -> int:
    """Return an anchor's index. Raises ProgramError with the names there are."""
    for index, anchor in enumerate(anchors):
        if anchor.name == name:
            return index
    names = [a.name for a in anchors]
    raise ProgramError(f"There is no {name!r} here; there is {', '.join(names)}.{_closest(name, names)}")


def situation(
    click: Click,
    anchors: Sequence[Anchor],
    now: Observation,
    memory: Memory | None = None,
    style: Style | None = None,
) -> Situation:
    """Resolve a click's names against a scene, ready for its law or its goal."""
    anchor = resolve(click.anchor, anchors)
    target = anchor if click.target is None else resolve(click.target, anchors)
    cubes = tuple(i for i, a in enumerate(anchors) if a.kind == "cube")
    if click.verb in ("grasp", "push", "press") and anchor not in cubes:
        raise ProgramError(f"Only a cube can be asked to {click.verb}, not the {click.anchor}.")
    return Situation(click, now, memory or Memory.begin(now), style or Style(), anchor, target, cubes)


def goals(s: Situation) -> list[FloatArray]:
    """Return the tool positions, (3,) each, that a click needs to get to, to check before moving."""
    click = s.click
    if click.verb in ("reach", "home"):
        return [reach_goal(s)]
    if click.verb == "move":
        return [s.memory.start + s.offset]
    if click.verb == "grasp":
        cube = s.where(s.anchor)
        return [cube, cube + (0.0, 0.0, s.number("height", 0.075))]
    if click.verb == "place":
        return [place_goal(s, -1)]
    if click.verb == "slide":
        return [slide_goal(s)]
    if click.verb == "push":
        return [s.where(s.anchor), push_goal(s)]
    if click.verb == "press":
        return [s.where(s.anchor) + (0.0, 0.0, 0.03)]
    if click.verb == "trace" and click.parameters.get("shape") in PATHS:
        return list(traced_corners(s))
    if click.verb == "trace":
        curve = traced_ellipse(s)
        return [curve.centre + side for h in (curve.first, curve.second) for side in (h, -h)]
    return []


def check_reachable(click: Click, anchors: Sequence[Anchor], now: Observation) -> None:
    """Raise UnreachableError or ProgramError if a click cannot be carried out from here."""
    s = situation(click, anchors, now)
    for goal in goals(s):
        if goal[2] < 0.0:
            raise UnreachableError("That point lies below the table. The arm stays where it is; choose a higher one.")
        inverse(goal, 0.0)
    if click.verb in ("place", "slide") and not now.scene.held.any():
        raise ProgramError("Nothing is held that could be put there. The arm stays where it is; grasp a cube first.")


@dataclass
class ProgramController:
    """Carries out a queue of clicks, one law after the other; what a person's clicks and a script have in common.

    ``current_click`` and ``click_index`` tell the recorder where to cut.
    """

    anchors: Sequence[Anchor]
    style: Style = field(default_factory=Style)
    current_click: Click | None = None
    click_index: int = -1
    problem: str = ""
    """Why the last click was given up, in words; empty if it was not."""

    def __post_init__(self) -> None:
        self._queue: deque[Click] = deque()
        self._memory: Memory | None = None
        self._unsteady = np.random.default_rng(self.style.seed)

    def add(self, *clicks: Click) -> None:
        """Queue clicks behind what is being done."""
        self._queue.extend(clicks)

    def clear(self) -> None:
        """Forget what is queued and stop what is being done."""
        self._queue.clear()
        self.current_click = None

    @property
    def pending(self) -> int:
        """How many clicks wait or run."""
        return len(self._queue) + (self.current_click is not None)

    def decide(self, observation: Observation) -> Motion | None:
        """Return the next motion, or None when nothing is asked."""
        if self.current_click is None and not self._begin(observation):
            return None
        click, memory = self.current_click, self._memory
        if click is None or memory is None:  # cleared by another thread meanwhile
            return None
        memory.update(observation)
        motion = LAWS[click.verb](situation(click, self.anchors, observation, memory, self.style))
        if motion.done:
            self.current_click = None
        elif memory.decisions > PATIENCE:
            self._give_up(f"Gave up on '{describe(click)}' after {PATIENCE / 25:.0f} s; the arm holds.")
        return motion if self.style.wobble == 0.0 else self._wobbled(motion)

    def _wobbled(self, motion: Motion) -> Motion:
        """Return the motion as an unsteady hand does it: beside every path there is something to learn, too."""
        step = motion.displacement
        aside = self.style.wobble * math.sqrt(float(step @ step)) * self._unsteady.standard_normal(3)
        return Motion(step + aside, motion.turn, motion.gripper, motion.done)

    def _begin(self, observation: Observation) -> bool:
        """Start the next click, if there is one and it can be done."""
        if not self._queue:
            return False
        click = self._queue.popleft()
        try:
            check_reachable(click, self.anchors, observation)
        except (UnreachableError, ProgramError) as error:
            self._give_up(str(error))
            return False
        self.problem = ""
        self._memory = Memory.begin(observation)
        self.click_index += 1
        self.current_click = click
        return True

    def _give_up(self, why: str) -> None:
        """Drop everything queued: what follows would start from the wrong place."""
        self.clear()
        self.problem = why


def renamed(program: ClickProgram, name: str) -> ClickProgram:
    """Return the same program under another name."""
    return replace(program, name=name)
