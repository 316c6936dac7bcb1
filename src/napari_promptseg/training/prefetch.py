"""Prefetching of training episodes on a background thread."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.data.datasets import Scene
    from napari_promptseg.training.tasks import Episode, TrainingTask


class EpisodePrefetcher:
    """Draws episodes on a background thread, so that the network never waits.

    Parameters
    ----------
    config : TrainConfig
        The run.
    course : TrainingTask
        Draws them.
    sets : list of list of Scene
        Scenes of each of its data sets.
    seed : tuple of int
        Of all randomness.
    """

    def __init__(
        self,
        config: TrainConfig,
        course: TrainingTask,
        sets: list[list[Scene]],
        seed: tuple[int, ...],
    ) -> None:
        self._config, self._course, self._sets = config, course, sets
        self._weights = np.array([s.weight for s in config.data], float)
        self._weights /= self._weights.sum()
        self._rng = np.random.default_rng(seed)
        self._queue: queue.Queue[Episode | Exception] = queue.Queue(4 * config.batch)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def _draw(self) -> Episode:
        set_index = int(self._rng.choice(len(self._sets), p=self._weights))
        try:
            return self._course.begin(set_index, self._sets[set_index], self._rng)
        except ValueError as error:
            raise ValueError(f"{str(self._config.data[set_index].folder)!r}: {error}") from error

    def _fill(self) -> None:
        episode: Episode | Exception | None = None
        while not self._stop.is_set() and not isinstance(episode, Exception):
            try:
                episode = self._draw()
            except Exception as error:  # raised again where the episode is waited for
                episode = error
            while not self._stop.is_set():
                try:
                    self._queue.put(episode, timeout=0.2)
                    break
                except queue.Full:
                    continue

    def get(self) -> Episode:
        """Wait for the next episode.

        Raises
        ------
        ValueError
            If a data set holds no object of enough pixels.
        """
        episode = self._queue.get()
        if isinstance(episode, Exception):
            raise episode
        return episode

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join()
