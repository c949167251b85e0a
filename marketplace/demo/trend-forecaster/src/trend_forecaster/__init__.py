"""Trend forecaster: how a series of numbers goes on, and how sure that is."""
