"""Causes that concern firmware and option ROMs."""
