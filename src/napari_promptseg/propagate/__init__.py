"""From anchored planes to all other planes of a volume or frames of a video."""
