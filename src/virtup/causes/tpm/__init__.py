"""Causes that concern the emulated TPM and its helper."""
