"""Causes that concern the emulator and its command line."""
