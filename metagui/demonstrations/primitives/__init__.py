"""Motion primitives: grasping, placing, pushing, pressing and tracing as feedback laws."""
