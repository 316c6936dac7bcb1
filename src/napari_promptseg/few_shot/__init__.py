"""Few-shot classes: features, pixel classifier, proposals, scoring, storage."""
