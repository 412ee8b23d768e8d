"""Model-agnostic meta-learning: inner loop, outer loop, resumable state, data parallelism."""
