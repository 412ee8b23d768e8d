"""How firmly an arm that is guided by hand stays where it is let go; without heavy imports, for the command line."""

from __future__ import annotations

from enum import StrEnum


class GuidingStiffness(StrEnum):
    """How firmly an arm that is guided by hand stays where it is let go."""

    LIMP = "limp"
    """The torque is off: the arm sinks unless a person holds it."""
    SOFT = "soft"
    """The motors carry the arm, which follows a light push."""
    MEDIUM = "medium"
    FIRM = "firm"
