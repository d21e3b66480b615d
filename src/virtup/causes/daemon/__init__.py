"""Causes that concern libvirt's daemons, their sockets and hooks."""
