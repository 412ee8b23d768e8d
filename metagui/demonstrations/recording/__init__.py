"""From the control loop to a take: journal, recorder, segmentation, replay."""
