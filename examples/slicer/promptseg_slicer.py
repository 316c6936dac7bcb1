"""3D Slicer: fiducials become clicks, the answer a segment. See docs/server.md.

Paste this and `examples/http/plane_client.py` into the Python console, or put both into a folder
on `sys.path`, then:

    segment_slice(PlaneClient("http://127.0.0.1:8765", token), volume, points, segmentation)

`volume`, `points` and `segmentation` are nodes, as of `getNode("Kidney")`. Points whose label
begins with "-" do not belong to the object. The slice is the axial one of the first point.
"""

import numpy as np


def segment_slice(client, volume, points, segmentation):
    """Segment the axial slice of the first point; return the number of pixels of the answer."""
    import slicer

    pixels = slicer.util.arrayFromVolume(volume)  # (slices, rows, columns)
    positions = positions_in(volume, points)
    if not positions:
        raise ValueError("place at least one fiducial first")
    index = round(positions[0][0])
    clicks = [(r, c, positive) for k, r, c, positive in positions if round(k) == index]
    spacing = volume.GetSpacing()  # columns, rows, slices
    mask = client.segment(pixels[index], clicks, spacing=(spacing[1], spacing[0]))
    labels = np.zeros(pixels.shape, np.uint8)
    labels[index] = mask
    name = segmentation.GetSegmentation().AddEmptySegment("", "promptseg")
    slicer.util.updateSegmentBinaryLabelmapFromArray(labels, segmentation, name, volume)
    return int(mask.sum())


def positions_in(volume, points):
    """Return (slice, row, column, positive) of fiducials."""
    import vtk

    elements = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(elements)
    matrix = np.array([[elements.GetElement(i, j) for j in range(4)] for i in range(4)])
    positions = []
    for number in range(points.GetNumberOfControlPoints()):
        place = [0.0, 0.0, 0.0]
        points.GetNthControlPointPositionWorld(number, place)
        column, row, index = (matrix @ [*place, 1.0])[:3]
        positive = not points.GetNthControlPointLabel(number).startswith("-")
        positions.append((index, row, column, positive))
    return positions
