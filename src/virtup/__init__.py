"""virtup starts QEMU guests from libvirt domain XML, and says why one does not start."""

__version__ = "0.1.0"
