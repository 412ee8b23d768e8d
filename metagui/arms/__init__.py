"""Robot arms: the arm protocol, kinematics, control, the SO-101 driver, the simulation and the emulator."""
