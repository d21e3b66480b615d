"""Causes that concern processors and KVM."""
