"""Linking of objects over time: detections, costs, and the assignment of one to the next."""
