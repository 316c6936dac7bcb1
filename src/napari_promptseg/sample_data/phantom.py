"""A generated abdominal CT volume in Hounsfield units, with exact truth labels.

The phantom is drawn, not measured: warped implicit shapes are painted from the skin inwards on a
grid three times finer along z than the result, blurred a little in plane, averaged into thick
slices (which gives the partial volume of real thick-slice CT), and covered with correlated noise.

The anatomy is laid out for a field of 200 x 230 x 230 mm and is stretched to the field asked for.
Array axes are ``(z, y, x)``: z runs from the feet to the head, y from the front to the back and x
from the patient's right to the patient's left, so a slice is shown in the usual radiological view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage as ndi

from napari_promptseg.sample_data.phantom_scene import PHANTOM_LABELS, SUBSLICES, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Volume = NDArray[np.floating[Any]]
    Point = tuple[float, float, float]

__all__ = ["PHANTOM_LABELS", "ct_phantom"]


def _meander(
    rng: np.random.Generator, low: Point, high: Point, count: int, stride: float
) -> list[Point]:
    """Return a random path of ``count`` steps that turns gently and stays in a box."""
    position = rng.uniform(low, high)
    heading = rng.standard_normal(3)
    path: list[Point] = []
    for _ in range(count):
        path.append((float(position[0]), float(position[1]), float(position[2])))
        heading = heading + 0.9 * rng.standard_normal(3)
        heading /= np.linalg.norm(heading)
        beyond = position + stride * heading
        heading = np.where((beyond < low) | (beyond > high), -heading, heading)
        position = np.clip(position + stride * heading, low, high)
    return path


def _paint_body(scene: Scene) -> Volume:
    """Paint the table, skin, fat and muscle wall; return the depth below the abdominal wall."""
    _, y, x = scene.straight
    table = np.abs(y - 93.0 + 0.0011 * x**2) - 1.6
    scene.paint(np.broadcast_to((table < 0) & (np.abs(x) < 98), scene.shape), -150.0)

    flat = np.abs(scene.x / 104.0) ** 2.4 + np.abs(scene.y / 77.0) ** 2.4
    depth = (1.0 - flat ** (1 / 2.4)) * (77.0 + 20.0 * np.abs(scene.x) / 104.0)
    scene.paint(depth > 0, 25.0)
    scene.paint(depth > 2.0, -105.0 + scene.noise(12.0, 4.0))
    fat = 10.0 + 0.045 * scene.y + 0.025 * np.abs(scene.x) + scene.rough
    scene.paint(depth > fat, 52.0 + scene.noise(5.0, 9.0))
    wall = depth - fat - 9.5
    scene.paint(wall > 0, -98.0 + scene.noise(14.0, 6.0))
    return wall


def _paint_back(scene: Scene) -> None:
    """Paint the muscles along the spine."""
    streaks = 54.0 + scene.noise(4.0, 14.0)
    for side in (-1, 1):
        erector = scene.ellipsoid((0, 57, side * 25), (260, 14, 18)) + scene.rough
        scene.paint(erector > 0, streaks)
        psoas = scene.tube(
            [(40, 42, side * 20), (-20, 38, side * 25), (-110, 28, side * 34)], [3, 11, 17]
        )
        scene.paint(psoas + scene.rough > 0, 57.0 + scene.noise(6.0, 5.0))
        quadratus = scene.ellipsoid((-60, 47, side * 46), (75, 7, 12)) + scene.rough
        scene.paint(quadratus > 0, streaks)


def _paint_bones(scene: Scene, wall: Volume) -> None:
    """Paint the spine (vertebrae with discs and a canal) and the lower ribs."""
    marrow = 230.0 + scene.noise(4.0, 35.0)
    phase = np.mod(scene.z + 12.0, 33.0) - 16.5
    waist = 1.5 * np.cos(phase * np.pi / 16.5)
    body = 15.5 - np.hypot((scene.x) / 1.32, scene.y - 40.0) - waist
    disc = np.abs(phase) > 13.0
    column = body > 0
    scene.paint(column & disc, 88.0)
    scene.labels[column & disc] = PHANTOM_LABELS["spine"]
    bone = column & ~disc
    scene.paint(bone, 640.0, "spine")
    inner = (body > 1.6) & (np.abs(phase) < 11.5)
    scene.paint(inner, marrow, "spine")

    arch = np.hypot(scene.x / 1.15, scene.y - 60.0)
    lamina = (np.abs(phase) < 10.0) | (scene.y < 60.0)
    scene.paint((arch < 12.5) & (scene.y > 52.0) & lamina, 520.0, "spine")
    spinous = (np.abs(scene.x) < 2.8) & (scene.y > 66) & (scene.y < 60 + 17) & (phase < 8)
    scene.paint(spinous & (phase > -9), 480.0, "spine")
    process = np.hypot(scene.y - 58.0 - 0.12 * np.abs(scene.x), phase * 0.8) < 3.4
    scene.paint(process & (np.abs(scene.x) < 30) & (np.abs(scene.x) > 9), 430.0, "spine")
    scene.paint(np.hypot(scene.x / 1.2, scene.y - 59.5) < 7.5, 28.0)

    height = scene.z - 0.55 * scene.y
    ring = np.mod(height, 27.0) - 13.5
    radial = wall + 4.8
    rib = 1.0 - np.hypot(radial / 4.0, ring / 6.0)
    exists = (height > -12.0 - 0.2 * scene.y) & (np.abs(scene.x) > 14.0)
    cartilage = (scene.y < -38.0) & (np.abs(scene.x) < 70.0)
    scene.paint((rib > 0) & exists & cartilage, 130.0)
    scene.paint((rib > 0) & exists & ~cartilage, 560.0, "ribs")
    scene.paint((rib > 0.45) & exists & ~cartilage, 210.0, "ribs")


def _diaphragm(scene: Scene) -> Volume:
    """Return the height of each voxel above the two domes of the diaphragm."""
    right = 82.0 - ((scene.x + 44.0) / 7.2) ** 2 - ((scene.y - 0.0) / 8.0) ** 2
    left = 72.0 - ((scene.x - 46.0) / 7.0) ** 2 - ((scene.y - 2.0) / 8.0) ** 2
    return scene.z - np.maximum(right, left) + scene.rough


def _paint_chest(scene: Scene, wall: Volume, above: Volume) -> None:
    """Paint the lung bases, the foot of the heart and the diaphragm itself."""
    scene.paint((wall > 0) & (np.abs(above) < 2.0), 55.0)
    middle = 15.0 + 10.0 * np.exp(-(((scene.y - 40.0) / 22.0) ** 2)) - 0.10 * scene.y
    cavity = (wall > 1.0) & (above > 2.0)
    tissue = -835.0 + 0.5 * scene.y + scene.noise(7.0, 22.0)
    for side, name in ((-1, "lung_right"), (1, "lung_left")):
        lung = cavity & (side * scene.x > middle)
        scene.paint(lung, tissue, name)
        for _ in range(16):
            start = (100.0, float(scene.rng.uniform(-15, 15)), side * 22.0)
            end = (
                float(scene.rng.uniform(20, 90)),
                float(scene.rng.uniform(-45, 50)),
                side * float(scene.rng.uniform(45, 85)),
            )
            vessel = scene.tube([start, end], [2.6, 0.8]) > 0
            scene.paint(vessel & lung, 40.0, name)
    heart = scene.ellipsoid((104, -22, 14), (34, 33, 44), lean=(0, -0.3)) + scene.rough
    inside = (wall > 3.0) & (above > -1.0)
    scene.paint((heart > -5.0) & inside, -85.0)
    scene.paint((heart > 0) & inside, 112.0 + scene.noise(15.0, 5.0))
    scene.paint((heart > 9) & inside, 165.0 + scene.noise(15.0, 5.0))
    gullet = scene.tube([(110, 20, 2), (70, 14, 8), (52, -2, 24)], [6.5, 6.5, 7.0])
    scene.paint(gullet > 0, 48.0)
    scene.paint(gullet > 5.0, -350.0)


def _paint_bowel(scene: Scene, wall: Volume, above: Volume) -> None:
    """Paint colon and small bowel, which carry no label."""
    free = (wall > 1.5) & (above < -3.0)
    haustra = 1.8 * np.sin(scene.z / 4.6) + 1.2 * np.sin(scene.x / 5.0)
    colon = [
        scene.tube([(-120, 4, -66), (-60, 8, -68), (-22, 0, -62)], [16, 16, 14]),
        scene.tube(
            [(-22, -18, -60), (-34, -46, -20), (-26, -46, 25), (0, -20, 68)], [13, 12, 12, 12]
        ),
        scene.tube([(0, -20, 68), (-30, 20, 74), (-120, 22, 70)], [12, 11, 12]),
    ]
    stool = 20.0 + scene.noise(7.0, 55.0)
    pockets = scene.noise(13.0, 1.0) - 0.02 * scene.y
    for piece in colon:
        scene.paint((piece + haustra > 0) & free, 62.0)
        content = (piece + haustra > 2.6) & free
        scene.paint(content, stool)
        scene.paint(content & (pockets > 0.9), -930.0)
    low, high = (-104.0, -44.0, -52.0), (-32.0, 14.0, 52.0)
    for loop in range(13):
        path = _meander(scene.rng, low, high, 12, 15.0)
        radius = float(scene.rng.uniform(7.5, 10.5))
        tube = scene.tube(path, [radius] * len(path)) + 0.6 * scene.rough
        scene.paint((tube > 0) & free, 88.0)
        filling = float(scene.rng.uniform(5, 70))
        scene.paint((tube > 2.2) & free, filling + 0.25 * stool)
        if loop % 4 == 1:
            scene.paint((tube > 2.4) & free & (pockets > 1.1), -880.0)


def _paint_stomach(scene: Scene, wall: Volume, above: Volume) -> None:
    """Paint the stomach: a wall, food, fluid, and air that has risen to the front."""
    level = np.maximum(
        scene.ellipsoid((40, 4, 46), (31, 27, 25), lean=(0.25, 0)),
        scene.tube([(40, 0, 44), (12, -24, 40), (-6, -32, 18), (0, -24, -12)], [22, 20, 17, 10]),
    )
    inside = (level + scene.rough > 0) & (wall > 1.0) & (above < -3.5)
    scene.paint(inside, 68.0, "stomach")
    lumen = (level + 1.6 * scene.rough > 4.2) & inside & (wall > 4.0) & (above < -7.0)
    scene.paint(lumen, 24.0 + scene.noise(9.0, 16.0), "stomach")
    surface = scene.straight[1] < -17.0
    scene.paint(lumen & surface, -985.0, "stomach")


def _paint_liver(scene: Scene, wall: Volume, above: Volume) -> None:
    """Paint the liver with its vessels, a lesion and the gallbladder."""
    level = np.maximum(
        scene.ellipsoid((26, -2, -50), (62, 62, 45), lean=(0.2, -0.08)),
        scene.ellipsoid((42, -32, -8), (30, 26, 52), lean=(0, -0.25)),
    )
    level = np.minimum(np.minimum(level + 1.6 * scene.rough, wall - 1.5), -above - 2.5)
    liver = level > 0
    scene.paint(liver, 108.0 + scene.noise(18.0, 3.0) + scene.noise(5.0, 4.0), "liver")
    rng = scene.rng
    for trunk in ((18.0, 8.0, -22.0), (58.0, 12.0, -24.0)):
        for _ in range(6):
            turn = (
                float(rng.uniform(10, 65)),
                float(rng.uniform(-32, 32)),
                float(rng.uniform(-62, -38)),
            )
            tip = (
                turn[0] + float(rng.uniform(-18, 18)),
                turn[1] * 1.4,
                turn[2] - float(rng.uniform(5, 25)),
            )
            vessel = scene.tube([trunk, turn, tip], [4.5, 2.6, 1.0]) > 0
            scene.paint(vessel & (level > 2), 146.0, "liver")
    rim = scene.ellipsoid((30, 14, -62), (15, 14, 15)) + 1.2 * scene.rough
    scene.paint((rim > 0) & (level > 2), 76.0 + scene.noise(7.0, 7.0), "liver_lesion")
    scene.paint((rim > 5.5) & (level > 2), 52.0 + scene.noise(7.0, 6.0), "liver_lesion")

    bladder = scene.ellipsoid((-18, -34, -30), (25, 12, 12), lean=(-0.3, 0.1)) + 0.6 * scene.rough
    inside = (bladder > 0) & (wall > 2.0)
    scene.paint((bladder > -1.8) & (wall > 2.0) & ~inside, 62.0)
    scene.paint(inside, 9.0, "gallbladder")


def _paint_retroperitoneum(scene: Scene, wall: Volume, above: Volume) -> None:
    """Paint spleen, pancreas, kidneys and the great vessels."""
    spleen = scene.ellipsoid((30, 26, 70), (40, 34, 22), lean=(0.2, 0)) + 1.3 * scene.rough
    notch = scene.ellipsoid((24, 16, 46), (30, 22, 14), lean=(0.2, 0))
    spleen = np.minimum(np.minimum(spleen, wall - 1.5), np.minimum(-above - 2.5, -notch))
    scene.paint(spleen > 0, 124.0 + scene.noise(6.0, 4.0), "spleen")

    pancreas = scene.tube(
        [(-22, -2, -26), (-4, -4, -20), (4, -10, 0), (10, 0, 24), (18, 14, 48)], [13, 12, 9, 9, 7]
    )
    lobules = scene.noise(6.0, 1.9)
    scene.paint(pancreas + lobules > 0, 92.0 + 5.0 * lobules, "pancreas")

    for side, name, shift in ((-1, "kidney_right", -12.0), (1, "kidney_left", 0.0)):
        centre = (-30.0 + shift, 34.0, side * 52.0)
        lean = (-0.14, -0.16 * side)
        kidney = scene.ellipsoid(centre, (48, 22, 22), lean=lean) + 0.7 * scene.rough
        sinus = scene.ellipsoid(
            (centre[0], centre[1] - 5, centre[2] - side * 16), (19, 9, 13), lean=lean
        )
        kidney = np.minimum(
            kidney,
            -scene.ellipsoid(
                (centre[0], centre[1] - 8, centre[2] - side * 26), (15, 8, 13), lean=lean
            ),
        )
        capsule = (kidney > -4.5) & (scene.labels == PHANTOM_LABELS["liver"])
        capsule |= (kidney > -7) & (scene.labels == 0)
        scene.paint(capsule & (wall > 1) & (above < -3), -102.0)
        scene.paint(kidney > 0, 178.0 + scene.noise(7.0, 5.0), name)
        pyramids = (kidney > 6.0) & (scene.noise(9.0, 1.0) > -0.15)
        scene.paint(pyramids, 142.0, name)
        scene.paint((sinus > 0) & (kidney > 0), -70.0, name)
        pelvis = (sinus + scene.noise(8.0, 1.6) > 3.2) & (kidney > 0)
        scene.paint(pelvis, 22.0, name)
        adrenal = scene.tube([(14 + shift, 24, side * 30), (4 + shift, 28, side * 36)], [2.8, 2.6])
        scene.paint((adrenal > 0) & (scene.labels == 0), 75.0)
        vein = scene.tube(
            [(centre[0], 29, centre[2] - side * 16), (centre[0] + 6, 14, side * 6.0)], [4.5, 4.5]
        )
        scene.paint((vein > 0) & (scene.labels == 0), 150.0)

    cava = scene.tube(
        [(-110, 18, -15), (-20, 16, -17), (40, 16, -21), (84, 6, -18)], [10, 11, 12, 12]
    )
    scene.paint(cava + 0.5 * scene.rough > 0, 138.0 + scene.noise(12.0, 7.0), "vena_cava")
    aorta = np.maximum(
        scene.tube([(110, 27, 13), (30, 19, 8), (-72, 14, 4)], [12, 11, 9.5]),
        np.maximum(
            scene.tube([(-72, 14, 4), (-112, 10, 20)], [8, 6.5]),
            scene.tube([(-72, 14, 4), (-112, 10, -12)], [8, 6.5]),
        ),
    )
    scene.paint(aorta > -1.4, 70.0)
    scene.paint(aorta > 0, 205.0 + scene.noise(14.0, 3.0), "aorta")
    plaque = (np.abs(aorta - 0.6) < 0.9) & (scene.noise(9.0, 1.0) > 1.9) & (scene.z < 10)
    scene.paint(plaque, 520.0, "aorta")
    mesenteric = scene.tube([(2, 12, 5), (-8, -6, 4), (-70, -10, 0)], [3.6, 3.6, 3.0])
    scene.paint((mesenteric > 0) & (scene.labels == 0), 195.0)


def _majority(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the label that fills most of each thick voxel; the middle one where all differ."""
    first, middle, last = (labels[i::SUBSLICES] for i in range(SUBSLICES))
    return np.where(first == last, first, middle)


def _scanner_noise(body: Volume, sigma: float, rng: np.random.Generator) -> Volume:
    """Return noise that is correlated in plane and strongest in the middle of the body."""
    white = rng.standard_normal(body.shape).astype(np.float32)
    grain = ndi.gaussian_filter(white, (0.0, 0.9, 0.9)) - 0.6 * ndi.gaussian_filter(
        white, (0.0, 2.2, 2.2)
    )
    grain /= grain.std()
    thickness = ndi.gaussian_filter((body > -400).astype(np.float32), (0.0, 24.0, 24.0))
    noise: Volume = grain * sigma * (0.35 + 0.75 * thickness)
    return noise


def ct_phantom(
    shape: tuple[int, int, int] = (40, 256, 256),
    spacing: tuple[float, float, float] = (5.0, 0.9, 0.9),
    seed: int = 0,
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Draw an abdominal CT volume with thick slices and exact truth labels.

    Parameters
    ----------
    shape : tuple of int, default: (40, 256, 256)
        Number of voxels in z, y and x.
    spacing : tuple of float, default: (5.0, 0.9, 0.9)
        Voxel size in millimetres. The anatomy always fills the field; the spacing sets how
        strongly the scanner's in-plane blur of about 0.6 mm shows.
    seed : int, default: 0
        Seed of the warps, the textures and the noise: one seed, one patient.

    Returns
    -------
    hu : numpy.ndarray of int16
        Hounsfield units, axes z (feet to head), y (front to back), x (right to left).
    labels : numpy.ndarray of uint8
        The structure filling most of each voxel, numbered as in `PHANTOM_LABELS`; 0 is the rest.
    """
    rng = np.random.default_rng(seed)
    scene = Scene(shape, rng)
    wall = _paint_body(scene)
    above = _diaphragm(scene)
    _paint_back(scene)
    _paint_bones(scene, wall)
    _paint_chest(scene, wall, above)
    _paint_bowel(scene, wall, above)
    _paint_stomach(scene, wall, above)
    _paint_liver(scene, wall, above)
    _paint_retroperitoneum(scene, wall, above)

    blur = (0.0, 0.6 / spacing[1], 0.6 / spacing[2])
    smooth = ndi.gaussian_filter(scene.hu, blur)
    thick = smooth.reshape(shape[0], SUBSLICES, shape[1], shape[2]).mean(axis=1)
    noisy = thick + _scanner_noise(thick, 12.0, rng)
    hu = np.clip(np.rint(noisy), -1024, 3071).astype(np.int16)
    return hu, _majority(scene.labels)
