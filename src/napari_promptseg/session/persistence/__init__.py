"""File format of saved sessions, and the journal."""
