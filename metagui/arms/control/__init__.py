"""The fixed-rate control loop of one arm: ticks, interpolation, the safety gate and monitors."""
