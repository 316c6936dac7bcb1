"""Propagation in a session: constraints, sweeps, runner and writer."""
