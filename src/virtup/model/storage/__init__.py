"""libvirt's documents of storage as data: pools and the volumes in them."""
