"""Recording of takes from the control loop: journal, recorder, segmentation and replay."""
