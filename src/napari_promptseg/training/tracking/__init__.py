"""Tracking of training runs: metrics log, plots, run information, model card."""
