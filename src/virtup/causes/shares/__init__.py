"""Causes that concern virtiofs and other helpers beside QEMU."""
