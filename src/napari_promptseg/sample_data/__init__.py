"""Small sample images with truth labels, and the scripts that make them."""
