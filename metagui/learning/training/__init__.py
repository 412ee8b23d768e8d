"""Meta-training of the prior, DAgger correction and fine-tuning on a library."""
