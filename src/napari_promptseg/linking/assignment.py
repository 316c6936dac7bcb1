"""Linear assignment of sparse candidates, one connected group of them at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def best_pairs(
    sources: NDArray[np.int64], targets: NDArray[np.int64], gains: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return which pairs have the largest sum of gains, with no source or target in two of them.

    This is the linear assignment problem in which each side may also stay alone, as in the
    linking of particles [1]_: the gain of a pair is what it costs to leave both alone, less the
    cost of their link.

    Parameters
    ----------
    sources, targets : (K,) int64 array
        Numbers of the two sides; a pair occurs once.
    gains : (K,) float64 array
        Of each pair; those without a gain are never chosen.

    Returns
    -------
    (M,) int64 array
        Rows of the pairs, in ascending order.

    References
    ----------
    .. [1] K. Jaqaman et al., "Robust single-particle tracking in live-cell time-lapse
       sequences", Nature Methods 5 (2008), 695-702.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.flatnonzero(gains > 0)
    if not len(rows):
        return rows
    row_ids, row_of = np.unique(sources[rows], return_inverse=True)
    column_ids, column_of = np.unique(targets[rows], return_inverse=True)
    size = len(row_ids) + len(column_ids)
    edges = (np.ones(len(rows)), (row_of, column_of + len(row_ids)))
    _, groups = connected_components(coo_array(edges, (size, size)), directed=False)
    selection: list[int] = []
    group_of_pair = groups[row_of]
    order = np.argsort(group_of_pair, kind="stable")
    cuts = np.flatnonzero(np.diff(group_of_pair[order])) + 1
    for members in np.split(order, cuts):
        lines, line_of = np.unique(row_of[members], return_inverse=True)
        columns, place_of = np.unique(column_of[members], return_inverse=True)
        matrix = np.zeros((len(lines), len(columns)))
        matrix[line_of, place_of] = gains[rows[members]]
        numbers = np.full(matrix.shape, -1, np.int64)
        numbers[line_of, place_of] = rows[members]
        pairs = numbers[linear_sum_assignment(matrix, maximize=True)]
        selection += pairs[pairs >= 0].tolist()
    return np.array(sorted(selection), np.int64)
