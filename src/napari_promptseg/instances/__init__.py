"""Automatic instance segmentation: the objects of images and volumes, without prompts."""
