"""The session on its worker thread: proxy, commands, job queue, autosave."""
