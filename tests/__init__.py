"""Tests of metagui: unit tests mirror the package, integration tests join its parts."""
