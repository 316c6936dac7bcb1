"""Prompts as the inputs of networks: maps, clicks, seeds, SAM prompts."""
