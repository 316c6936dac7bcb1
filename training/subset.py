"""Copy as much of some data sets as fits into a size, an equal share of files of each."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def scenes_of(folder: Path) -> list[list[Path]]:
    """Return the files of each scene of a set: an image with its labels, or a sequence."""
    if not (folder / "images").is_dir():
        return [sorted(s.rglob("*.*")) for s in sorted(folder.iterdir()) if s.is_dir()]
    labels = folder / ("labels" if (folder / "labels").is_dir() else "masks")
    scenes = []
    for image in sorted((folder / "images").iterdir()):
        stem = image.name.split(".")[0]
        label_names = {f"{stem}{end}" for end in (".png", "_fine.png", ".nii.gz", ".nii")}
        scenes.append([image, *sorted(p for p in labels.iterdir() if p.name in label_names)])
    return scenes


def spread(scenes: list[list[Path]], share: float) -> list[list[Path]]:
    """Return a share of scenes, evenly spread, but always one."""
    count = max(1, int(len(scenes) * share))
    return [scenes[i * len(scenes) // count] for i in range(count)]


def main() -> None:
    """Find the largest share that fits, and copy it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder of data sets")
    parser.add_argument("target", type=Path, help="where to copy them")
    parser.add_argument("--megabytes", type=float, default=50)
    arguments = parser.parse_args()
    sets = [scenes_of(folder) for folder in sorted(arguments.source.iterdir()) if folder.is_dir()]
    sizes = {p: p.stat().st_size for scenes in sets for files in scenes for p in files}
    share = 1.0
    while share > 0.01:
        files = [p for scenes in sets for scene in spread(scenes, share) for p in scene]
        if sum(map(sizes.__getitem__, files)) <= arguments.megabytes * 1e6:
            break
        share *= 0.95
    for path in files:
        copy = arguments.target / path.relative_to(arguments.source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    total = sum(map(sizes.__getitem__, files)) / 1e6
    print(f"{len(files)} files, {total:.1f} MB: {share:.0%} of the scenes of {len(sets)} sets")


if __name__ == "__main__":
    main()
