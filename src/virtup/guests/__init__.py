"""Guests that go down and come back with the host: saved or shut down in time, nobody forgotten.

It speaks RPC through the client like any other, so it serves a stock libvirt daemon too.
"""
