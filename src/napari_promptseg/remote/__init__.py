"""Client and wire protocol of sessions on another machine; needs no torch."""
