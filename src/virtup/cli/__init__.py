"""The command ``virtup``: virsh's verbs and output forms, and virtup's own."""
