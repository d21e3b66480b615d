"""Causes around the text console of a guest that runs."""
