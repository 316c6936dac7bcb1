"""Packages of the BioImage Model Zoo (bioimage.io): writing and running them."""
