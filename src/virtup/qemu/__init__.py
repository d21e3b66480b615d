"""Domain model and capabilities to QEMU: questions, answers, options, command lines."""
