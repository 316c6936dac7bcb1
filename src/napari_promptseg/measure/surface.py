"""Triangle surfaces of masks, in physical units and in world coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import box_slices, mask_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trimesh import Trimesh

SMOOTH_STEPS: Final = 30
"""Smoothing steps after which the voxel staircase is hardly visible."""
_BLUR_MARGIN: Final = 3
"""Voxels around a mask that is blurred."""
_SHRINK, _SWELL = 0.5, 0.525  # Taubin asks for 0 < 1 / shrink - 1 / swell < 0.1


@dataclass(frozen=True, slots=True)
class Surface:
    """A closed surface of triangles.

    Parameters
    ----------
    vertices : (N, 3) float64 array
        Positions (z, y, x): index of the array times spacing, in units of the volume.
    faces : (M, 3) int64 array
        Three vertices each, so that the right-hand rule points outward in (x, y, z).
    spacing : (float, float, float)
        Size of a voxel along z, y and x.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    spacing: tuple[float, float, float]

    @property
    def voxels(self) -> NDArray[np.float64]:
        """Vertices as (N, 3) positions (z, y, x) in voxels of the array."""
        positions: NDArray[np.float64] = self.vertices / np.array(self.spacing)
        return positions

    @property
    def normals(self) -> NDArray[np.float64]:
        """Outward unit normals (z, y, x) of the vertices."""
        return np.asarray(self.mesh().vertex_normals)[:, ::-1]

    def mesh(self, affine: NDArray[np.float64] | None = None) -> Trimesh:
        """Return the surface as a trimesh mesh, in the order (x, y, z) and facing outward.

        Parameters
        ----------
        affine : (4, 4) array, optional
            From (x, y, z) voxels to the target coordinates; the units of the vertices when
            not given.
        """
        from trimesh import Trimesh

        xyz, faces = self.vertices[:, ::-1], self.faces
        if affine is not None:
            xyz = self.voxels[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
            if np.linalg.det(affine[:3, :3]) < 0:  # mirrored: the order must be as well
                faces = faces[:, ::-1]
        # Merging and cleaning would change the number of vertices.
        return Trimesh(xyz, faces, process=False)

    def smoothed(self, steps: int = SMOOTH_STEPS) -> Surface:
        """Return the surface with the voxel staircase smoothed away.

        Taubin smoothing [1]_ moves each vertex towards its neighbours and back again in
        turn, so that the surface does not shrink: the volume of an object of ten voxels
        across stays within two per cent. Parts that are one or two voxels thin do shrink.

        Parameters
        ----------
        steps : int
            Number of steps; 0 returns the surface unchanged.

        Raises
        ------
        ValueError
            If the number is negative.

        References
        ----------
        .. [1] G. Taubin, A signal processing approach to fair surface design, SIGGRAPH 1995.
        """
        from trimesh.smoothing import filter_taubin

        if steps < 0:
            raise ValueError(f"steps of smoothing must be 0 or more, got {steps!r}")
        if steps == 0:
            return self
        mesh = filter_taubin(  # type: ignore[no-untyped-call]
            self.mesh(), lamb=_SHRINK, nu=_SWELL, iterations=steps
        )
        return Surface(np.asarray(mesh.vertices)[:, ::-1], self.faces, self.spacing)


def smooth_surface(
    mask: NDArray[np.bool_],
    spacing: Sequence[float],
    corner: Sequence[int],
    max_voxels: int,
) -> Surface | None:
    """Return the surface of a blurred mask, which needs no further smoothing.

    Parameters
    ----------
    mask, spacing, corner
        See `mask_surface`.
    max_voxels : int
        A larger mask is made smaller first, by the mean of blocks.

    Returns
    -------
    Surface or None
        None if nothing is left of the mask.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.measure import block_reduce, marching_cubes

    step = int(np.ceil((mask.size / max_voxels) ** (1 / 3)))
    steps = np.minimum(step, mask.shape)
    field = block_reduce(mask, tuple(steps.tolist()), np.mean)
    field = np.pad(field.astype(np.float32), _BLUR_MARGIN)
    blurred = gaussian_filter(field, 0.7)
    if blurred.max() > 0.5:  # else it is too thin to be blurred
        field = blurred
    if field.max() <= 0.5:
        return None
    vertices, faces, _, _ = marching_cubes(field, 0.5)
    size = np.asarray(spacing, np.float64)
    voxels = (vertices - _BLUR_MARGIN + 0.5) * steps - 0.5 + np.asarray(corner)
    return Surface(voxels * size, faces.astype(np.int64), tuple(size.tolist()))


def mask_surface(
    mask: NDArray[np.bool_],
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    corner: Sequence[int] = (0, 0, 0),
) -> Surface:
    """Return the surface of a mask, half a voxel around the centres of its voxels.

    Marching cubes [1]_ at the level between object and background. It is closed, also
    where the object touches the border of the array.

    Parameters
    ----------
    mask : (Z, Y, X) bool array
        The object, or the part of a volume that holds it.
    spacing : sequence of float
        Size of a voxel along z, y and x.
    corner : sequence of int
        First voxel of that part in the volume.

    Raises
    ------
    ValueError
        If the mask is empty or not of three axes.

    References
    ----------
    .. [1] T. Lewiner et al., Efficient implementation of marching cubes' cases with
       topological guarantees, J. Graphics Tools 8 (2003).
    """
    from skimage.measure import marching_cubes

    if mask.ndim != 3:
        raise ValueError(f"a surface needs a mask of (z, y, x), got shape {mask.shape}")
    box = mask_box(mask)
    if box is None:
        raise ValueError("no surface: the mask is empty")
    # The margin closes the surface of an object that touches the border.
    with_margin = np.pad(mask[box_slices(box)], 1).astype(np.float32)
    positions, faces, _, _ = marching_cubes(with_margin, 0.5)
    voxels = positions.astype(np.float64) + [
        first + start - 1 for first, (start, _) in zip(corner, box, strict=True)
    ]
    depth, height, width = (float(s) for s in spacing)
    return Surface(voxels * (depth, height, width), faces.astype(np.int64), (depth, height, width))
