"""Training of the shipped model: data sets, a simulated user, losses, the loop."""
