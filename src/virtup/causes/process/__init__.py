"""Causes that concern the life of the QEMU process."""
