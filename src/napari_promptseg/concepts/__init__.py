"""Classes of objects that are known by example: finding more of them, and by name."""
