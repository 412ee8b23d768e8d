"""Teleoperation: a leader arm, a gamepad and jogging velocities as sources of motion."""
