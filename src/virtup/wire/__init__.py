"""Bytes to messages and back, without any IO: XDR, RPC frames, session states, the tables."""
