"""Array type aliases that several modules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""A bool array, true on the object."""

Float32 = NDArray[np.float32]
"""A float32 array."""
