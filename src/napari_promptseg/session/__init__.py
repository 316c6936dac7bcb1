"""The session: one active object, the committed ones, and their history."""
