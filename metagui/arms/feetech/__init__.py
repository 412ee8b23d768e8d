"""The Feetech serial bus: ports, packets, the control table and bus transactions."""
