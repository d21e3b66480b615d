"""Causes that concern memory."""
