"""Causes that concern taps, bridges and ports."""
