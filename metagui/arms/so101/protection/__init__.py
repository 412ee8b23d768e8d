"""Protection of motors and people: alarms, supply, grip force, registers left as found, letting go gently."""
