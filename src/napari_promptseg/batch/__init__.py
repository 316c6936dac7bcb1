"""Many volumes on dask: embedding, propagation, evaluation and export, resumable."""
