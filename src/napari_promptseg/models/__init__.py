"""Models: the backend protocol, the registry, the catalog, weights and their loading."""
