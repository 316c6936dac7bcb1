"""A robot user of the real viewer, for the demo and for latency measurements."""
