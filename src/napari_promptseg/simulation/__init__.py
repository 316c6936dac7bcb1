"""A simulated user, for training and for evaluation."""
