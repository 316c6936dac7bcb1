"""Models that turn prompts on a plane into a mask, one file a backend."""
