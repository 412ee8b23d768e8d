"""What moves: the arm protocol, the simulated arm, kinematics and the safety gate."""
