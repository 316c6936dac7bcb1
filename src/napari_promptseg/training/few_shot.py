"""Few-shot adaptation: from some marked objects to a class that finds all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import all_planes
from napari_promptseg.data.requirements import is_installed, require
from napari_promptseg.data.sampling import spread
from napari_promptseg.data.volume import ArrayLike, PlaneImage, Volume
from napari_promptseg.few_shot.features import square_labels, square_pixels
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.training.data.datasets import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.training.fine_tune import Tuned

_PLANES: Final = 16
"""Planes of a volume or video that are learnt from."""
FEWEST: Final = 4
"""Objects from which on there is something to fine-tune on."""


def adapt(
    images: Sequence[ArrayLike | Volume],
    label_images: Sequence[NDArray[np.integer]],
    name: str,
    *,
    synonyms: Sequence[str] = (),
    description: str = "",
    tune: bool = True,
    seconds: float = 60.0,
    device: str = "auto",
    report: Callable[[str], None] = lambda line: None,
) -> FewShotClass:
    """Learn a class of objects from some of them; five are enough to start.

    Parameters
    ----------
    images : sequence of array or Volume
        2D images; of volumes and videos up to 16 planes with objects are taken.
    label_images : sequence of integer array
        Of the spatial shape of each image: 0 is what nobody has marked, which may hold more
        objects; every other number is an object.
    name : str
        What the class is called.
    synonyms : sequence of str
        Other words for it.
    description : str
        A sentence about it.
    tune : bool
        Whether to fine-tune the network for clicks on its objects as well, where there are
        four or more and PyTorch is installed; it is kept only if it saves clicks on objects
        held back.
    seconds : float
        That fine-tuning may take.
    device : str
        "auto", "cpu", "cuda" or "mps".
    report : callable
        Called with lines of progress.

    Returns
    -------
    FewShotClass
        Its `propose` finds objects, its `backend` answers clicks on them; see also
        `napari_promptseg.few_shot.storage.save_class`.

    Raises
    ------
    ValueError
        If images and labels do not fit each other, no object has 12 pixels, or the name is
        empty.
    """
    if len(images) != len(label_images):
        raise ValueError(f"{len(images)} images need as many labels, got {len(label_images)}")
    concept = FewShotClass(name, tuple(synonyms), description, device)
    scenes = []
    for number, (image, labels) in enumerate(zip(images, label_images, strict=True)):
        volume = image if isinstance(image, Volume) else Volume(image)
        examples = _examples(volume, labels, _PLANES)
        scenes += learn_from(concept, examples, str(number), has_upright_planes(volume))
    if not concept.examples:
        raise ValueError("the labels hold no object of 12 pixels or more")
    report(f"{concept.examples} objects, {concept.diameter:.0f} pixels across")
    if tune and concept.examples >= FEWEST and not is_installed("torch"):
        concept.note = "not fine-tuned: needs pip install 'napari-promptseg[torch]'"
        report(concept.note)
    elif tune and concept.examples >= FEWEST:
        take_tuned(concept, fine_tune(concept, scenes, seconds, report=report))
    return concept


def example_scenes(
    image: ArrayLike | Volume, labels: NDArray[np.integer], source: str, most: int = _PLANES
) -> list[Scene]:
    """Return the planes of an image that hold marked objects, as `tuning.tune` takes them.

    Parameters
    ----------
    image : array or Volume
        2D, a volume or a video.
    labels : integer array
        Of the spatial shape of the image.
    source : str
        What planes of one image have in common: they are held back together.
    most : int
        Planes with objects that are taken, evenly spread.

    Raises
    ------
    ValueError
        If the labels do not fit.
    """
    volume = image if isinstance(image, Volume) else Volume(image)
    upright = has_upright_planes(volume)
    return [
        _scene(plane, plane_labels, source, upright)
        for plane, plane_labels in _examples(volume, labels, most)
    ]


def has_upright_planes(volume: Volume) -> bool:
    """Tell whether all planes are seen from one side, as those of volumes and videos are."""
    return len(volume.names) > 2


def learn_from(
    concept: FewShotClass,
    examples: Iterable[tuple[PlaneImage, NDArray[np.integer]]],
    source: str,
    upright: bool = False,
) -> list[Scene]:
    """Teach a class planes with marked objects; return them for `fine_tune`.

    Parameters
    ----------
    concept : FewShotClass
        The class.
    examples : iterable of (PlaneImage, (H, W) integer array)
        Planes, and the numbers of the objects on each.
    source : str
        What planes of one image have in common: they are held back together.
    upright : bool
        Whether others will be seen from the same side: planes of volumes and videos are.
    """
    return [
        _scene(plane, plane_labels, source, upright)
        for plane, plane_labels in examples
        if concept.learn(plane, plane_labels)
    ]


def fine_tune(
    concept: FewShotClass,
    scenes: Sequence[Scene],
    seconds: float = 60.0,
    is_cancelled: Callable[[], bool] = lambda: False,
    report: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """Fine-tune the network for a class, which stays as it is; see `fine_tune.tune`.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    """
    require("torch", "timm", extra="torch", purpose="Fine-tuning")
    from napari_promptseg.training.fine_tune import tune

    return tune(concept.backend(), scenes, seconds, is_cancelled, report)


def take_tuned(concept: FewShotClass, tuned: Tuned) -> None:
    """Give a class what came of fine-tuning."""
    if tuned.adapter is not None:
        concept.adapter = tuned.adapter
    verdict = "kept" if tuned.adapter is not None else "not kept"
    concept.note = (
        f"{tuned.before:.2f} clicks an object before fine-tuning, {tuned.after:.2f} after, on "
        f"{tuned.objects} objects held back: {verdict} ({tuned.steps} steps, "
        f"{tuned.seconds:.0f} s)"
    )


def _examples(
    volume: Volume, labels: NDArray[np.integer], most: int
) -> Iterator[tuple[PlaneImage, NDArray[np.integer]]]:
    """Yield planes that hold objects, with their labels."""
    labels = np.asarray(labels)
    if labels.shape != volume.shape or labels.dtype.kind not in "uib":
        raise ValueError(
            f"labels must be integers of shape {volume.shape}, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    planes = [p for p in all_planes(volume.names, volume.shape) if labels[p.slices].any()]
    for plane in spread(planes, most):
        yield volume.plane(plane), labels[plane.slices].astype(np.int64)


def _scene(plane: PlaneImage, labels: NDArray[np.integer], name: str, upright: bool) -> Scene:
    """Make a plane what clicks are simulated on; its pixels become square."""
    square_image = square_pixels(plane)
    plane_labels = square_labels(labels, (square_image.shape[0], square_image.shape[1]))
    image = np.rint(square_image * 255).astype(np.uint8)
    return Scene(image, plane_labels, "instances", (1.0, 1.0), name, upright)
