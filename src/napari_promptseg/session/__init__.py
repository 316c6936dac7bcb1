"""The session: one object in work, the committed ones, and their history."""
