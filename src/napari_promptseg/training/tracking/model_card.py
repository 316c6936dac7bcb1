"""The model card of trained weights, written from what their run folder holds.

After Mitchell et al. 2019, "Model cards for model reporting" (doi:10.1145/3287560.3287596). It
begins with the metadata that the Hugging Face Hub reads from a README.md.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_promptseg.data.atomic_file import write_bytes
from napari_promptseg.training.data.training_set import distinct_names
from napari_promptseg.training.tracking.metrics_log import read_log
from napari_promptseg.training.tracking.run_info import RunInfo
from napari_promptseg.training.tracking.throughput import duration
from napari_promptseg.training.weights import WeightsInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.tracking.run_info import InitialWeights, RunSegment

_DESCRIPTION: Final = (
    "Interactive segmentation: from an image and prompts (clicks, scribbles, boxes, lassos, a "
    "mask) to the mask of one object."
)
_USE: Final = (
    "For annotation in research, with a person who looks at every mask and corrects it. It is no "
    "medical device: do not base a diagnosis or a treatment on what it marks."
)
_LIMITS: Final = (
    "It answers for one object in one plane; what belongs together in 3D or in time comes from "
    "propagation. It knows objects like those of the sets below. Elsewhere it needs more clicks, "
    "so measure it on images of your own (`promptseg evaluate`) before you rely on it."
)
_METHOD: Final = {
    "clicknet": (
        "A simulated user prompts an object with a click, several clicks, a box, a scribble, a "
        "lasso or the mask of a neighbouring plane, and corrects the answer round by round. "
        "Every round is learnt from (Sofiiuk et al. 2021, arXiv:2102.06583). Normalised focal "
        "loss and Dice loss, {optimiser}, a cosine schedule, and averaged weights, of which "
        "validation picks the best."
    ),
    "volumenet": (
        "Of a stack of planes, a simulated user gives the mask of one or two planes, a click with "
        "its answer, or the answers of an earlier step with their errors, and corrects the answer "
        "round by round. Beside the object, every organ that has a name is to be told from the "
        "others. Some objects are regions of similar intensity, and some volumes are made up, so "
        "that things without a label teach too. Cross-entropy and Dice loss, {optimiser}, a cosine "
        "schedule, and averaged weights, of which validation picks the best."
    ),
    "instancenet": (
        "Crops around a random object, which appears at a random size, are learnt with all of "
        "their objects: cross-entropy and Dice loss of the insides, cross-entropy of the rims, "
        "squared difference of the directions to the centre, absolute difference of the logarithm "
        "of the diameter. {optimiser}, a cosine schedule, and averaged weights, of which "
        "validation picks the best."
    ),
}
_OPTIMISER: Final = {
    "adamw": "AdamW",
    "muon": "Muon (Jordan et al. 2024) for the matrices and AdamW for the rest",
}
_MEASURED: Final = {
    "clicknet": (
        "On 16 fixed crops of each validation set, with at most 8 clicks of a robot user; NoC is "
        "the mean number of clicks to an IoU of 85 or 90 %."
    ),
    "volumenet": (
        "On 24 fixed stacks of each validation set: mean Dice of the other planes from the true "
        "mask of the largest one."
    ),
    "instancenet": (
        "On 24 fixed crops of each validation set: F1 of all objects at an IoU of 0.5, without "
        "prompts."
    ),
}
_HUB_LICENCES: Final = (
    "apache-2.0",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "gpl-3.0",
    "mit",
)
"""Names of licences that the Hugging Face Hub knows, those of weights of this package."""
_TITLES: Final = {
    "noc85": "NoC@85",
    "noc90": "NoC@90",
    "iou1": "IoU after 1 click",
    "dice": "Dice from a mask",
    "f1": "F1 at IoU 0.5",
}


def write_card(config: TrainConfig, file: Path | None = None) -> Path:
    """Write the model card of the weights in a run folder.

    Parameters
    ----------
    config : TrainConfig
        The recipe, with the text that people add to the card.
    file : Path, optional
        ``MODEL_CARD.md`` beside the weights when not given. The plot goes beside it, under
        its name.

    Raises
    ------
    FileNotFoundError
        If there are no weights yet.
    """
    weights = config.weights
    if not weights.exists():
        raise FileNotFoundError(f"no weights in {str(config.output)!r} yet")
    file = file or config.output / "MODEL_CARD.md"
    plot = config.output / "training.png"
    if plot.exists() and plot.parent.resolve() != file.parent.resolve():
        plot = Path(shutil.copyfile(plot, file.with_suffix(".png")))
    info, record = WeightsInfo.read(weights), RunInfo.read(config.output)
    figures = info.figures
    card = config.card
    text = [front_matter(card.licence, config.model), f"# Model card: {card.title}"]
    text += [card.description or _DESCRIPTION, _facts(weights, info, card.licence)]
    text += ["## Intended use", card.use or _USE]
    text += ["## Limits", card.limits or _LIMITS]
    text += ["## Data", *_data(config, record)]
    method = _METHOD[config.model].format(optimiser=_OPTIMISER[config.optimiser])
    text += ["## Training", method, *_recipe(config, record, info)]
    text += ["## Validation", *_validation(config, figures, info.step)]
    if plot.exists():
        text.append(f"![Loss and validation over the steps]({plot.name})")
    if card.notes:
        text += ["## Notes", card.notes]
    write_bytes(file, ("\n\n".join(part.strip() for part in text) + "\n").encode())
    return file


def front_matter(licence: str, model: str) -> str:
    """Return the metadata of a model card in YAML, as `huggingface_hub.ModelCard` reads it.

    Parameters
    ----------
    licence : str
        Licence of the weights, an SPDX identifier where it has one; may be empty.
    model : {"clicknet", "volumenet"}
        Network.
    """
    lines = ["---"]
    if licence.lower() in _HUB_LICENCES:
        lines.append(f"license: {licence.lower()}")
    elif licence:
        lines += ["license: other", f"license_name: {json.dumps(licence)}"]
    lines += ["library_name: napari-promptseg", "pipeline_tag: mask-generation", "tags:"]
    lines += [f"- {tag}" for tag in ("napari", "interactive-segmentation", model)]
    return "\n".join([*lines, "---"])


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(c) for c in row) + " |" for row in cells)


def _facts(weights: Path, info: WeightsInfo, licence: str) -> str:
    rows = [
        ("File", f"`{weights.name}`, {info.bytes / 1e6:.1f} MB"),
        ("Parameters", f"{info.parameters / 1e6:.2f} M"),
        ("SHA-256", f"`{info.sha256}`"),
        ("Made by", info.metadata.get("package", "napari-promptseg")),
        ("Step", "unknown" if info.step is None else f"{info.step:,}"),
        ("Recipe", f"`{info.metadata.get('recipe', 'unknown')}`"),
        ("Licence of the weights", licence or "not stated; see the terms of the data"),
    ]
    return _table(("", ""), rows)


def _data(config: TrainConfig, record: RunInfo) -> list[str]:
    names = distinct_names([data.folder for data in config.data])
    counts = {count.name: count for count in record.scenes}
    total = sum(data.weight for data in config.data)
    rows = []
    for name, data in zip(names, config.data, strict=True):
        count = counts.get(name)
        scenes = "unknown" if count is None else str(count.trained)
        if count is not None and count.held_out:
            scenes += f" (and {count.held_out} held out)"
        share = f"{100 * data.weight / total:.0f} %"
        kind = "unknown" if count is None else count.kind
        row = (data.source or "not stated", kind, scenes, share, data.terms or "not stated")
        rows.append((name, *row))
    text = [_table(("set", "source", "kind", "scenes", "share of the crops", "terms"), rows)]
    if record.initial is not None:
        text.append(_ancestors(record.initial))
    if not all(data.terms for data in config.data):
        text.append(
            "The terms of some sets are not stated: find them out before you share these weights."
        )
    text.append("Whether weights inherit the terms of their training data is not settled.")
    return text


def _ancestors(initial: InitialWeights) -> str:
    """Tell what the weights that training started from had learnt from."""
    sets = "; ".join(
        f"{name} ({terms or 'terms not stated'})" for name, terms in initial.terms.items()
    )
    return (
        f"Training started from weights of SHA-256 `{initial.sha256}`. What they had learnt from "
        f"counts too: {sets or 'see their model card'}."
    )


def _recipe(config: TrainConfig, record: RunInfo, info: WeightsInfo) -> list[str]:
    settings = config.model_dump(mode="json", exclude={"data", "validation", "output", "card"})
    settings["initial"] = config.initial and Path(config.initial).name
    values = (
        (f"`{key}`", f"`{json.dumps(value)}`")
        for key, value in settings.items()
        if value is not None
    )
    text = [_table(("setting", "value"), values)]
    stretches = record.stretches if info.step is None else record.until(info.step)
    if info.step is not None:
        examples = _examples(config, stretches, info.step)
        amount = f"{examples:,} crops of"
        if config.model == "volumenet":
            amount = f"{examples:,} stacks of {config.planes} planes of"
        text.append(f"The weights have seen {amount} {config.crop} x {config.crop} pixels.")
    if stretches:
        text.append(_table(("steps", "time", "machine", "precision", "recipe"), _rows(stretches)))
        seconds = sum(stretch.seconds for stretch in stretches)
        text.append(f"In all {duration(seconds)}, validation included.")
    processes = max((s.processes for s in stretches), default=1)
    start = (
        "promptseg"
        if processes == 1
        else (f"torchrun --nproc-per-node {processes} -m napari_promptseg.cli")
    )
    file = "RECIPE.toml" if config.file is None else config.file.as_posix()
    text.append(f"To repeat it:\n\n```bash\n{start} train {file}\n```")
    return text


def _examples(config: TrainConfig, stretches: Sequence[RunSegment], step: int) -> int:
    """Return the number of crops or stacks until a step, of which the batch may have changed."""
    counts = [(one.last - one.first) * (one.batch or config.batch) for one in stretches]
    return sum(counts) or step * config.batch


def _rows(stretches: Sequence[RunSegment]) -> list[tuple[str, ...]]:
    """One row for what was done in the same way, however often it was interrupted."""
    segments: list[RunSegment] = []
    for stretch in stretches:
        own = stretch.model_dump(exclude={"first", "last", "seconds"})
        if segments and segments[-1].model_dump(exclude={"first", "last", "seconds"}) == own:
            seconds = segments[-1].seconds + stretch.seconds
            segments[-1] = segments[-1].model_copy(
                update={"last": stretch.last, "seconds": seconds}
            )
        else:
            segments.append(stretch)
    rows: list[tuple[str, ...]] = []
    for s in segments:
        machine = s.accelerator or f"{s.processor}, {s.cores} cores"
        if s.processes > 1:
            machine += f", {s.processes} processes"
        precision = f"{s.precision}, PyTorch {s.torch_version}"
        rows.append(
            (f"{s.first:,} to {s.last:,}", duration(s.seconds), machine, precision, f"`{s.recipe}`")
        )
    return rows


def _validation(config: TrainConfig, figures: dict[str, float], step: int | None) -> list[str]:
    log = read_log(config.output / "log.csv")
    if not figures:  # weights of a version that did not write them into the file
        figures = next((row for row in log if row["step"] == step), {})
    kinds = [kind for kind in _TITLES if kind in figures]
    sets = [
        of for key in figures for kind, _, of in [key.partition("/")] if of and kind in kinds[:1]
    ]
    if not sets:
        return ["Without validation sets: the weights of the lowest training loss were kept."]
    origins = _origins(config)
    rows = [
        (name, origins.get(name, ""), *(f"{figures[f'{kind}/{name}']:.2f}" for kind in kinds))
        for name in sets
    ]
    rows.append(("**mean**", "", *(f"**{figures[kind]:.2f}**" for kind in kinds)))
    return [
        _MEASURED[config.model],
        "These figures picked the weights, so they are no test.",
        _table(("set", "scenes", *(_TITLES[kind] for kind in kinds)), rows),
        *_before_and_after(config, figures, kinds, step),
    ]


def _before_and_after(
    config: TrainConfig, figures: dict[str, float], kinds: Sequence[str], step: int | None
) -> list[str]:
    """Tell what training made of the weights that it started from, where that was measured."""
    first = next((row for row in read_log(config.output / "log.csv") if row["step"] == 0), None)
    if first is None:
        return []
    rows = [(_TITLES[kind], f"{first[kind]:.2f}", f"{figures[kind]:.2f}") for kind in kinds]
    verdict = "Training made nothing better of the weights it started from: these are they."
    return [
        _table(("mean of all sets", "before training", "of these weights"), rows),
        *([verdict] if step == 0 else []),
    ]


def _origins(config: TrainConfig) -> dict[str, str]:
    """Tell of each validation set how it is kept apart from the training."""
    names = distinct_names([entry.folder for entry in config.validation])
    origins = {}
    for name, entry in zip(names, config.validation, strict=True):
        apart = "held out" if entry.part == "held_out" else "of a folder of their own"
        origins[name] = "**learnt from too**" if config.leaks(entry) else apart
    return origins
