"""The life of one guest: start, supervise, stop, find again."""
