"""Rehearsal: candidates run in simulation, and what the takes achieved decides which of them becomes the policy."""
