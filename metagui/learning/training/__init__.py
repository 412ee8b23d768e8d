"""Meta-training of the prior, DAgger corrections, and fine-tuning on a library."""
