"""Calls to a daemon that speaks libvirt's RPC: virtupd, or a stock libvirtd."""
