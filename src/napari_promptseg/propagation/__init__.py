"""Propagators: from annotated planes to all other planes or frames."""
