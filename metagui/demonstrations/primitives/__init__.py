"""Motion primitives: feedback laws for grasping, placing, pushing, pressing and tracing."""
