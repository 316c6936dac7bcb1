"""Prompts, geometry, volumes and files: what everything else stands on."""
