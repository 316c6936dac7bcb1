"""The model side of a session: planes in, masks out, on one backend."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.errors import OutOfMemoryError
from napari_promptseg.data.geometry import Crop, mask_box
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.few_shot.text import TextModels
from napari_promptseg.instances.finder import ObjectFinder
from napari_promptseg.models.base import BackendTraits
from napari_promptseg.models.capabilities import Everything, Scalable
from napari_promptseg.models.encoding.prompt_maps import excluded_pixels
from napari_promptseg.models.registry import create_backend
from napari_promptseg.models.text_models import Matching, TextMatch
from napari_promptseg.models.validation import check_prompts, find_fault, is_out_of_memory
from napari_promptseg.propagation.registry import (
    AUTO,
    checked_name,
    create_propagator,
    join_spec,
    split_spec,
)
from napari_promptseg.session.regions_of_interest import PlaneAnswer, smaller_crop
from napari_promptseg.session.uncertainty import measure_uncertainty
from napari_promptseg.wrappers.base import unwrapped
from napari_promptseg.wrappers.implied_clicks import with_implied
from napari_promptseg.wrappers.options import Refinement, build, parse_spec
from napari_promptseg.wrappers.text_fallback import TextFallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Backend, Prediction
    from napari_promptseg.propagation.base import Propagator
    from napari_promptseg.session.intensity_range import IntensityRange
    from napari_promptseg.session.uncertainty import Uncertainty

_KEPT_PLANES: Final = 4
_BATCH_SCALE: Final = 4 / 7
"""Resolution of networks for batches of objects, relative to that for a single one: 128 pixels."""


class Predictor:
    """Loads a backend when it is first needed, and keeps the last planes embedded.

    Parameters
    ----------
    volume : Volume
        What is segmented.
    backend : str or Backend
        A registered name, with its wrappers and a propagator as in "clicknet+flips@flow",
        or a backend.
    device : str
        "auto", "cpu", "cuda" or "mps"; for a name only.
    refinement : Refinement, optional
        Wrappers around the backend; by default those of `Refinement` around a name, and
        none around a backend.
    propagator : str
        Name of the propagator where the text of the backend has none.

    Raises
    ------
    ValueError
        If no backend, wrapper or propagator has that name.
    TypeError
        If the object is not a backend.
    """

    def __init__(
        self,
        volume: Volume,
        backend: str | Backend,
        device: str = "auto",
        refinement: Refinement | None = None,
        propagator: str = AUTO,
    ) -> None:
        self._volume, self._device = volume, device
        self._given = None if isinstance(backend, str) else backend
        if isinstance(backend, str):
            backend, propagator = split_spec(backend, propagator)
            self._name, refinement = parse_spec(backend, refinement)
        else:
            build(backend, refinement)  # raises if this is no backend, or cannot be wrapped so
            self._name = backend.name
        self._refinement = refinement
        self._base: Backend | None = None
        self._backend: Backend | None = None
        self._batch: Backend | None = None
        self._loaded_propagator: Propagator | None = None
        self._finder: ObjectFinder | None = None
        self.words = TextModels(device)
        """The classes of the user and the models of words."""
        self.text_match: TextMatch | None = None
        """Match of the last text prompt."""
        self.tell: Callable[[str], None] = lambda text: None
        """Called when inference falls back to a smaller crop or to the CPU."""
        self._embedded: OrderedDict[tuple[Plane, Crop | None, int], Any] = OrderedDict()
        self.propagator = propagator
        self.limits: Callable[[], IntensityRange | None] = lambda: None
        """Returns the values that pixels of answers keep to."""

    @property
    def intensity_range(self) -> IntensityRange | None:
        """Values that pixels of answers keep to, None for all."""
        return self.limits()

    @property
    def name(self) -> str:
        """Name of the backend."""
        return self._name

    @property
    def source(self) -> str | Backend:
        """Source of the backend: its name, or the backend itself where it was given."""
        return self._name if self._given is None else self._given

    @property
    def device(self) -> str:
        """Name of the device that was asked for."""
        return self._device

    @property
    def refinement(self) -> Refinement | None:
        """Wrappers as they were asked for; None for a backend that is taken as it is."""
        return self._refinement

    @refinement.setter
    def refinement(self, refinement: Refinement | None) -> None:
        if self._given is None and refinement is None:
            refinement = Refinement()
        if self._base is not None:
            self._backend = build(self._base, refinement)
        self._refinement, self._batch = refinement, None
        self._embedded.clear()
        self._loaded_propagator = None

    @property
    def propagator(self) -> str:
        """Name of the propagator, as it was asked for."""
        return self._propagator

    @propagator.setter
    def propagator(self, name: str) -> None:
        self._propagator = checked_name(name)
        self._loaded_propagator = None

    def make_propagator(self) -> Propagator:
        """Return the propagator, made for the backend if it was not.

        Raises
        ------
        ValueError
            If it does not work with this backend.
        """
        if self._loaded_propagator is None:
            self._loaded_propagator = create_propagator(self._propagator, self.backend)
        return self._loaded_propagator

    @property
    def spec(self) -> str:
        """Name, wrappers and propagator as one text, see `parse_spec` and `split_spec`."""
        name = self._name if self._refinement is None else self._refinement.spec(self._name)
        return join_spec(name, self._propagator)

    def describe(self) -> str:
        """Return all that an answer depends on beside prompts and image, as one text."""
        engine = BackendTraits.of(self._base).engine
        kept_to = "" if self.intensity_range is None else f" {self.intensity_range}"
        return f"{self.spec} {self.identity} {engine} {self._volume.window}{kept_to}"

    @property
    def identity(self) -> str | None:
        """Identity of the backend, None before it is loaded."""
        return None if self._base is None else self._base.identity

    @property
    def backend(self) -> Backend:
        """The backend, loaded if it was not."""
        if self._backend is None:
            self._base = self._given or create_backend(self._name, device=self._device)
            self._backend = build(self._base, self._refinement)
        return self._backend

    def predict(
        self,
        plane: Plane,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None,
        crop: Crop | None = None,
    ) -> PlaneAnswer:
        """Return the mask of a plane, or of a part of it, without what is empty around it.

        Where memory is not enough, less of the plane is looked at, then the CPU answers.

        Parameters
        ----------
        plane : Plane
            Which one.
        prompts : PlanePrompts
            All that act on it.
        prior : (H, W) bool array or None
            The object there so far, of the crop if there is one.
        crop : Crop, optional
            What is looked at; the whole plane when not given.

        Raises
        ------
        ValueError
            If the backend does not understand one of the prompts, or no model knows a word.
        ImportError, FileNotFoundError
            If there is a word, and no model for words is ready; the message says what to do.
        OutOfMemoryError
            If there is too little memory even so.
        RuntimeError
            If the answer of the backend is none.
        """
        try:
            return self._answer(plane, prompts, prior, crop)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self._embedded.clear()
        part = None
        if crop is None:
            extent = None if prior is None else mask_box(prior)
            part = smaller_crop(plane.shape_in(self._volume.shape), prompts, extent)
        if part is not None:
            try:
                answer = self._answer(
                    plane, prompts, None if prior is None else prior[part.slices], part
                )
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            else:
                self.tell("Too little memory for all of the plane: a part of it was looked at")
                return answer
        self.go_to_cpu()
        return self._answer(plane, prompts, prior, crop)

    def go_to_cpu(self) -> None:
        """Load the backend again, on the CPU.

        Raises
        ------
        OutOfMemoryError
            If it was there already, or was given ready-made.
        """
        if self._given is not None or self._device == "cpu" or not _has_gpu(self._base):
            raise OutOfMemoryError(f"{self.name} needs more memory than there is")
        self.close()
        self._device = "cpu"
        self.tell(f"Too little memory on the GPU: {self.name} goes on on the CPU")

    def _answer(
        self,
        plane: Plane,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None,
        crop: Crop | None,
    ) -> PlaneAnswer:
        whole = Crop.whole(plane.shape_in(self._volume.shape))
        shape = (crop or whole).shape
        backend = self._reader if prompts.text else self.backend
        check_prompts(prompts, self.name, backend.capabilities.prompts)
        if crop is not None:
            prompts = prompts.cropped(crop)
        if "point" in self.backend.capabilities.prompts:
            prompts = with_implied(prompts, prior)
        embedding = self.embed(plane, crop)
        if isinstance(backend, TextFallback):
            embedding = embedding, self._volume.plane(plane, crop)
        answer = backend.predict(embedding, prompts, prior)
        if fault := find_fault(answer, shape):
            raise RuntimeError(f"{backend.name} gave no answer: {fault}")
        if prompts.text:
            self._note_match(backend, prompts.text, answer, shape)
        mask, corner = answer.mask, (answer.rows[0], answer.columns[0])
        if prompts.occupied is not None or any(not region.positive for region in prompts.regions):
            local = prompts.mapped(offset=(-corner[0], -corner[1]))
            mask = mask & ~excluded_pixels(local, answer.probability.shape)
        mask = self._in_range(plane, mask, corner, crop or whole)
        if crop is None:
            return PlaneAnswer(mask, corner)
        (top, bottom), (left, right) = mask_box(mask) or ((0, 0), (0, 0))
        row = crop.rows[0] + (corner[0] + top) * crop.step
        column = crop.columns[0] + (corner[1] + left) * crop.step
        return PlaneAnswer(mask[top:bottom, left:right], (row, column), crop.step, crop)

    def _note_match(
        self, backend: Backend, text: str, answer: Prediction, shape: tuple[int, int]
    ) -> None:
        """Keep the match of a word, and tell what the model says of it."""
        if isinstance(backend, Matching):
            match = backend.match
        else:
            match = TextMatch(text, backend.name, answer.score, answer.paste(shape))
        if match is not None and match is not self.text_match:
            self.text_match = match
            if match.note:
                self.tell(f"{match.model}: {match.note}")

    def _in_range(
        self, plane: Plane, mask: NDArray[np.bool_], corner: tuple[int, int], crop: Crop
    ) -> NDArray[np.bool_]:
        """Return a part of a crop without the pixels outside of the intensity range."""
        if self.intensity_range is None:
            return mask
        values = np.asarray(self._volume.read(plane, crop))
        rows, columns = (slice(c, c + n) for c, n in zip(corner, mask.shape, strict=True))
        return mask & self.intensity_range.allows(values[rows, columns])

    def keep_to_range(
        self,
        plane: Plane,
        mask: NDArray[np.bool_],
        before: NDArray[np.bool_] | None = None,
        part: Crop | None = None,
    ) -> NDArray[np.bool_]:
        """Return the mask of a plane without pixels outside of the intensity range.

        Parameters
        ----------
        plane : Plane
            Which plane.
        mask : (H, W) bool array
            All of it, or a part.
        before : (H, W) bool array, optional
            Pixels that stay, whatever their values.
        part : Crop, optional
            What the mask covers; the whole plane when not given.
        """
        limited = self._in_range(plane, mask, (0, 0), part or Crop.whole(mask.shape))
        return limited if before is None else limited | (mask & before)

    def object_finder(self) -> ObjectFinder:
        """Return what finds all objects: the backend if it can, else the shipped networks."""
        backend = unwrapped(self.backend)
        if isinstance(backend, Everything):
            return ObjectFinder(self._device, backend)
        if self._finder is None:
            self._finder = ObjectFinder(self._device)
        return self._finder

    def uncertainty(
        self, plane: Plane, prompts: PlanePrompts, prior: NDArray[np.bool_] | None
    ) -> Uncertainty:
        """Return how unsure the backend is about a plane.

        Raises
        ------
        ValueError
            If the backend cannot tell.
        """
        return measure_uncertainty(self.backend, self.embed(plane), prompts, prior)

    @property
    def _reader(self) -> Backend:
        """The backend, with models of words beside it if it does not read itself."""
        reads = "text" in self.backend.capabilities.prompts
        return self.backend if reads else TextFallback(self.backend, self.words)

    @property
    def batch_backend(self) -> Backend:
        """The backend for batches of objects, at a lower resolution if it has several."""
        if self._batch is None:
            self._batch, base = self.backend, self._base
            assert base is not None
            wrapped = self._given is None or self._refinement is not None
            if wrapped and base.capabilities.scalable and isinstance(base, Scalable):
                self._batch = build(base.at_scale(_BATCH_SCALE), self._refinement)
        return self._batch

    def embed(self, plane: Plane, crop: Crop | None = None, backend: Backend | None = None) -> Any:
        """Read and embed a plane or a part of it, or find it among the last ones."""
        backend = backend or self.backend
        key = plane, crop, id(backend)
        if key not in self._embedded:
            self._embedded[key] = backend.embed(self._volume.plane(plane, crop))
            if len(self._embedded) > _KEPT_PLANES:
                self._embedded.popitem(last=False)
        self._embedded.move_to_end(key)
        return self._embedded[key]

    def look_at(self, volume: Volume) -> None:
        """Go on with the same image under another intensity window."""
        self._volume = volume
        self._embedded.clear()

    def warm_up(self) -> None:
        """Load the backend, find the intensity window and answer one click on a blank plane."""
        window = self._volume.intensity_window
        blank = PlaneImage(np.zeros((64, 64), np.float32), window)
        click = PlanePrompts(strokes=(Stroke(np.array([[32.0, 32.0]])),))
        if "point" in self.backend.capabilities.prompts:
            self.backend.predict(self.backend.embed(blank), click)

    def close(self) -> None:
        """Free the planes, and the backend unless it was given; a later prompt loads it again."""
        self._embedded.clear()
        if self._base is not None and self._given is None:
            self._base.close()
        self.words.close()
        if self._finder is not None:
            self._finder.close()
        self._base = self._backend = self._batch = self._loaded_propagator = None


def _has_gpu(backend: Backend | None) -> bool:
    """Return True if a backend says that it runs elsewhere than on the CPU."""
    return "cpu" not in (BackendTraits.of(backend).device or "cpu")
