"""Task similarity: the Siamese encoder of takes, ranked neighbours and calibrated verdicts."""
