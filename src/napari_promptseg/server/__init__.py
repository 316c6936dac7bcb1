"""`promptseg serve`: sessions for clients without a GPU."""
