"""Causes that concern devices of the guest."""
