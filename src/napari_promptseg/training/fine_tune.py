"""Fine-tuning of the decoder on a few objects, in about a minute on a CPU.

The encoder stays as it is, and so does what normalises its features: a few objects say
little about what images look like, and much about where the borders of a class are. The
result is kept only if it saves clicks on objects that were held back; a share of the way to
it is tried as well, and is often better (Wortsman et al. 2022, arXiv:2109.01903).
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.data.sampling import spread
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.measure.overlap import clicks_to, iou
from napari_promptseg.models.tensor_files import as_array
from napari_promptseg.simulation.clicks import next_click
from napari_promptseg.training.click_episodes import Episode, start
from napari_promptseg.training.data.crops_2d import draw_sample
from napari_promptseg.training.losses import click_loss
from napari_promptseg.training.precision import has_bfloat16
from napari_promptseg.training.tasks import stack_inputs, stack_truth
from napari_promptseg.wrappers.options import Refinement, build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.models.backends.clicknet import ClickNetBackend
    from napari_promptseg.models.networks.clicknet import ClickNet
    from napari_promptseg.training.data.datasets import Scene

Adapter = dict[str, "NDArray[np.float32]"]
"""Weights of the decoder by name, in place of the shipped ones."""

_BATCH, _CROP = 6, 128
_RATE: Final = 1e-3
_MOST_STEPS: Final = 600
_PERSISTENCE: Final = 0.7
_HELD_BACK: Final = 0.3
_IMAGES: Final = 4
"""From so many on, whole images are held back."""
_MEASURED: Final = 6
"""Objects of those held back that are clicked on."""
_CLICKS: Final = 10
_TARGET: Final = 0.85
_SHARES: Final = (1.0, 0.6)
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Tuned:
    """Result of fine-tuning.

    Parameters
    ----------
    adapter : dict of str to tensor, or None
        None if it saved no clicks.
    before, after : float
        Clicks to an IoU of 0.85 on the objects held back, at most 10 each: with the
        network as it was, and with the best that was tried.
    objects : int
        How many were held back.
    steps : int
        Optimiser steps.
    seconds : float
        In all.
    """

    adapter: Adapter | None
    before: float
    after: float
    objects: int
    steps: int
    seconds: float


def tune(
    backend: ClickNetBackend,
    scenes: Sequence[Scene],
    seconds: float = 60.0,
    is_cancelled: Callable[[], bool] = lambda: False,
    report: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """Fine-tune on some of the objects of scenes, and measure on the others.

    Parameters
    ----------
    backend : ClickNetBackend
        Stays as it is.
    scenes : sequence of Scene
        2D, of the kind "instances".
    seconds : float
        That it may take in all.
    is_cancelled : callable
        Asked after each step; once it says so, what was learnt so far is measured.
    report : callable
        Called with lines of progress.

    Raises
    ------
    ValueError
        If there are fewer than four objects.
    """
    start_time = time.monotonic()
    training_scenes, held_out = split_objects(scenes)
    before = clicks_needed(backend, held_out)
    measure_seconds = time.monotonic() - start_time
    report(f"{before.mean():.2f} clicks an object before, on {len(held_out)} held back")
    until = start_time + seconds - 1.1 * len(_SHARES) * measure_seconds  # a measure each follows
    tuned, steps = _learn(backend, training_scenes, until, is_cancelled)
    best, after = None, before
    for share in _SHARES:
        adapter = _part_way(backend.net, tuned, share)
        click_counts = clicks_needed(backend.adapted(adapter), held_out)
        report(f"{click_counts.mean():.2f} clicks after {steps} steps, {share:.0%} of the way")
        if click_counts.mean() < after.mean():
            best, after = adapter, click_counts
    total_seconds = time.monotonic() - start_time
    return Tuned(
        best, float(before.mean()), float(after.mean()), len(held_out), steps, total_seconds
    )


def split_objects(scenes: Sequence[Scene]) -> tuple[list[Scene], list[Scene]]:
    """Hold back about a third of the objects, each of them a scene of its own.

    Of four images or more, told apart by the names of their scenes, whole ones are held
    back; objects of fewer images lie on both sides.

    Raises
    ------
    ValueError
        If there are fewer than four objects.
    """
    objects = [
        (number, int(label))
        for number, scene in enumerate(scenes)
        for label in np.unique(scene.labels[scene.labels > 0])
    ]
    if len(objects) < 4:
        raise ValueError(f"fine-tuning needs four objects or more, got {len(objects)}")
    rng = np.random.default_rng(_SEED)
    order = [objects[i] for i in rng.permutation(len(objects))]
    count = max(2, round(_HELD_BACK * len(order)))
    names = list(dict.fromkeys(scenes[number].name for number, _ in order))
    if len(names) >= _IMAGES:  # whole images, whose planes and objects are alike
        away = names[: max(1, round(_HELD_BACK * len(names)))]
        order = sorted(order, key=lambda o: scenes[o[0]].name not in away)
        count = sum(scenes[number].name in away for number, _ in order)
    held_out = set(order[:count])
    training_scenes = []
    for number, scene in enumerate(scenes):
        excluded = [label for n, label in held_out if n == number]
        labels = np.where(np.isin(scene.labels, excluded), 0, scene.labels)
        if labels.any():
            training_scenes.append(replace(scene, labels=labels))
    test_objects = [
        replace(scenes[number], labels=np.where(scenes[number].labels == label, 1, 0))
        for number, label in order[:count]
    ]
    return training_scenes, spread(test_objects, _MEASURED)


def clicks_needed(
    backend: ClickNetBackend,
    scenes: Sequence[Scene],
    most: int = _CLICKS,
    target: float = _TARGET,
) -> NDArray[np.float64]:
    """Return the clicks that each object needs, with a fraction for how well the last are.

    Parameters
    ----------
    backend : ClickNetBackend
        The wrappers that are on by default go around it, but for `Brs`.
    scenes : sequence of Scene
        With one object each.
    most : int
        Clicks of a failure.
    target : float
        IoU that is good enough.
    """
    around = build(backend, Refinement(brs=False))  # which costs more than it tells here
    click_counts = []
    for scene in scenes:
        image = PlaneImage(scene.image, Window(0.0, 255.0), (scene.spacing[0], scene.spacing[1]))
        truth, mask = scene.labels > 0, np.zeros(scene.labels.shape, np.bool_)
        strokes: tuple[Stroke, ...] = ()
        scores: list[float] = []
        embedding = around.embed(image)
        while len(scores) < most and (not scores or scores[-1] < target):
            click = next_click(mask, truth)
            if click is None:
                break
            strokes += (Stroke(np.array([click[0]], np.float64), click[1]),)
            prior = mask if mask.any() else None
            answer = around.predict(embedding, PlanePrompts(strokes), prior)
            mask = answer.paste(image.shape) > 0.5
            scores.append(iou(mask, truth))
        # Of two that need as many, the one that gets closer is better.
        click_counts.append(clicks_to(scores, target, most) - 0.5 * float(np.mean(scores)))
    return np.array(click_counts)


def _learn(
    backend: ClickNetBackend,
    scenes: list[Scene],
    until: float,
    is_cancelled: Callable[[], bool],
) -> tuple[ClickNet, int]:
    """Train a copy of the network until the time or the steps are over."""
    net = copy.deepcopy(backend.net)
    tuned = [p for name, p in net.named_parameters() if not name.startswith("encoder.")]
    for parameter in tuned:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(tuned, _RATE, weight_decay=0.0)
    rng = np.random.default_rng(_SEED)
    torch.manual_seed(_SEED)
    device = torch.device(backend.device)
    half = has_bfloat16(device)

    def draw() -> Episode:
        return start(draw_sample(scenes, _CROP, rng), rng)

    episodes = [draw() for _ in range(_BATCH)]
    mean = [p.detach().clone() for p in tuned]
    step, start_time = 0, time.monotonic()
    while step < _MOST_STEPS and time.monotonic() < until and not is_cancelled():
        progress = max(
            step / _MOST_STEPS, (time.monotonic() - start_time) / max(until - start_time, 1e-6)
        )
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / 20) * max(1 - progress, 0.05)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = net(*stack_inputs(episodes, device)).float()
        loss = click_loss(logits, stack_truth(episodes, logits)).mean()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(tuned, 5.0)
        optimiser.step()
        step += 1
        decay = min(0.98, step / (step + 10))
        with torch.no_grad():
            for averaged, new in zip(mean, tuned, strict=True):
                averaged.lerp_(new, 1 - decay)
        answers = logits.detach().sigmoid().cpu().numpy()[:, 0]
        for i, (episode, answer) in enumerate(zip(episodes, answers, strict=True)):
            if episode.truth.any() and rng.random() < _PERSISTENCE:
                episode.correct(answer, rng)
            else:
                episodes[i] = draw()
    with torch.no_grad():
        for parameter, averaged in zip(tuned, mean, strict=True):
            parameter.copy_(averaged)
    return net.requires_grad_(False), step


def _part_way(base: ClickNet, tuned: ClickNet, share: float) -> Adapter:
    """Return the weights that differ, a share of the way from one network to the other."""
    there: Mapping[str, torch.Tensor] = dict(tuned.named_parameters())
    return {
        name: as_array(torch.lerp(weight, there[name], share))
        for name, weight in base.named_parameters()
        if not name.startswith("encoder.")
    }
