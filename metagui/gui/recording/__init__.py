"""Recording takes: controller, crash recovery, joint plot and segment boundaries."""
