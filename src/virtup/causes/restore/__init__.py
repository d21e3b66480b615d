"""Causes that concern saved guests and what keeps them from being restored."""
