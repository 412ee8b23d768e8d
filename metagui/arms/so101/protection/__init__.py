"""Protection of motors and people: alarms, supply, grip, registers left as found, an arm that does not drop."""
