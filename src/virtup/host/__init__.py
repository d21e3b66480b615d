"""What touches the machine: files, processes, sockets, the kernel. Nothing above it does."""
