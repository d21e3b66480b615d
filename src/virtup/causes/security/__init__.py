"""Causes that concern labels, profiles and device access lists."""
