"""Sources of motion driven by a person: a leader arm, a gamepad, jogging velocities."""
