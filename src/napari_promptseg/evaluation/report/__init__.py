"""The results of a benchmark as one self-contained HTML page."""
