"""Training data: data sets, splits, crops, pseudo-labels, synthetic volumes."""
