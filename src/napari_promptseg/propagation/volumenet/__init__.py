"""Propagation by VolumeNet: sliding window, crops, inference state."""
