"""The scenes that a recipe asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_promptseg.training.data.datasets import Scene, read_scenes
from napari_promptseg.training.data.splits import held_out_names
from napari_promptseg.training.tracking.run_info import SceneCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.training.config import DataSet, TrainConfig, ValidationData


def _held_out(data: DataSet, names: list[str]) -> frozenset[str]:
    return held_out_names(names, data.held_out, group=data.held_out_group, last=data.held_out_last)


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Name folders by their last parts, as many as tell them apart.

    A folder that is there twice gets a number.
    """
    depth, different = 1, len(set(folders))
    while len({f.parts[-depth:] for f in folders}) < different:
        depth += 1
    names: list[str] = []
    for folder in folders:
        name = Path(*folder.parts[-depth:]).as_posix()
        count = sum(n == name or n.startswith(f"{name} (") for n in names)
        names.append(f"{name} ({count + 1})" if count else name)
    return names


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The training scenes of one data set, without those that are held out.

    Parameters
    ----------
    scenes : list of Scene
        Without those that are held out.
    counts : SceneCounts
        How many there are of each.
    """

    scenes: list[Scene]
    counts: SceneCounts

    @classmethod
    def read(cls, data: DataSet, name: str) -> TrainingSet:
        """Read the scenes of a data set.

        Raises
        ------
        FileNotFoundError
            If the folder holds no data set.
        ValueError
            If it cannot be shared as asked, or no scene is left.
        """
        excluded: frozenset[str] = frozenset()

        def choose(names: list[str]) -> set[str]:
            nonlocal excluded
            excluded = _held_out(data, names)
            return set(names) - excluded

        scenes = read_scenes(
            data.folder,
            data.kind,
            choose=choose,
            limit=data.limit,
            upright=data.upright,
            sam_masks=data.sam_masks,
        )
        if not scenes:
            raise ValueError(f"{str(data.folder)!r} holds no scene")
        kind, trained = scenes[0].kind, len(scenes)
        return cls(
            scenes, SceneCounts(name=name, kind=kind, trained=trained, held_out=len(excluded))
        )


def validation_scenes(config: TrainConfig, entry: ValidationData) -> list[Scene]:
    """Read a validation set, or the held-out part of a data set."""
    if entry.part == "all":
        return read_scenes(entry.folder, entry.kind, limit=entry.limit, upright=entry.upright)
    data = config.trained_on(entry)
    if data is None:
        raise ValueError(f"nothing of {str(entry.folder)!r} is held out")
    return read_scenes(
        data.folder,
        data.kind,
        choose=lambda names: _held_out(data, names),
        limit=entry.limit,
        upright=data.upright,
    )
