"""Propagation by a 3D random walker."""
