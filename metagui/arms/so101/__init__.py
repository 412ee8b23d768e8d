"""The SO-101 follower arm over USB: motors, calibration, feedback, goals and the registry of arms."""
