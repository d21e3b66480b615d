"""Causes that concern the host's accounts, directories and sockets."""
