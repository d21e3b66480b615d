"""A guest's memory in a file: written, checked, loaded, marked, set aside."""
