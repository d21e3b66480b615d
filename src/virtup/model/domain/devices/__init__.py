"""The devices of a guest, a file each."""
