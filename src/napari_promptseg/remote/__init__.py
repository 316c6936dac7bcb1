"""Sessions on another machine: what is said over the wire, and the client, which needs no torch."""
