"""Tests of whole flows: command line, window, cable."""
