"""Causes that concern displays."""
