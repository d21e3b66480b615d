"""libvirt's documents as data: parsed, checked, completed and written again."""
