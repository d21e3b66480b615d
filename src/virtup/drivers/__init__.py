"""Registries of what the daemon serves: guests, the host itself, events."""
