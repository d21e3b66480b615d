"""Causes that concern devices of the host that a guest is given."""
