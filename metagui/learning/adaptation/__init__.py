"""Adaptation of the prior to one task: folds, candidates, selection, task policies, outlier takes and rollouts."""
