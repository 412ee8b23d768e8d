"""The Siamese encoder of whole demonstrations, distances and calibrated verdicts."""
