"""Causes that concern disks, kernels and other files."""
