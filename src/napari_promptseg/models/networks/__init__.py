"""Network architectures, without inference logic, and their checkpoints."""
