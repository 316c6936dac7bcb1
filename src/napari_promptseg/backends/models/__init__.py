"""Networks; each module holds one architecture and no inference logic."""
