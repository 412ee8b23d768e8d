"""Recording takes: the controller, joint traces and segment boundaries."""
