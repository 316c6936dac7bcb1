"""Metrics, the robot user and benchmarks for images, volumes and videos."""
