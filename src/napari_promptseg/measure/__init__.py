"""Measurements of objects, and metrics that compare masks."""
