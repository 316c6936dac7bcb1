"""Training of the shipped models: configuration, tasks, losses, validation, trainer."""
