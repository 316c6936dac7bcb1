"""Public import paths of backends; the implementations are in `models.backends`."""
