"""Adapting the prior to one task: folds, candidates, outlier takes and rollouts."""
