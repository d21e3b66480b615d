"""Causes that concern definitions."""
