"""The SO-101 follower arm over USB: motors, calibration, feedback, goals and known arms."""
