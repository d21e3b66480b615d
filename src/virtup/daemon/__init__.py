"""The daemon: it serves the driver to libvirt's clients over a unix socket."""
