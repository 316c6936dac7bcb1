"""`promptseg live`: follow objects in a video or camera, with effects, into a file or a window."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.options import Device, fail

if TYPE_CHECKING:
    from napari_promptseg.live import LiveSession
    from napari_promptseg.live.capture import VideoCapture


Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="MP4 or AVI; without it, a window opens.")
]


def live(
    source: Annotated[str, typer.Argument(help="A video file or URL, or the number of a camera.")],
    output: Output = None,
    touch: Annotated[
        list[str] | None,
        typer.Option(
            help="x,y on an object of the first frame; x,y@12 in frame 12; 2:x,y for a second "
            "object; -x,y for what does not belong to it."
        ),
    ] = None,
    effect: Annotated[
        str, typer.Option(help="none, cutout, blur, recolor, outline, grey or spotlight.")
    ] = "blur",
    frames: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    device: Device = "auto",
) -> None:
    """Track touched objects through a video, and draw an effect.

    Into a file every frame is written; in a window frames are dropped rather than shown late.
    """
    if output is None:
        from napari_promptseg._napari.live_widget import open_live

        open_live(source, effect)
        return
    from napari_promptseg.live import LiveSession
    from napari_promptseg.live.capture import VideoCapture

    try:
        touches = [_touch(text) for text in touch or ()]
        session = LiveSession(effect, device)
        with VideoCapture(source) as video:
            count = _follow(session, video, output, touches, frames)
    except (ValueError, OSError) as error:
        fail(error)
    typer.echo(f"{output}: {count} frames")


Touch = tuple[int, int, bool, float, float]
"""Frame, object, on the object or not, column and row."""


def _touch(text: str) -> Touch:
    place, _, frame = text.partition("@")
    number, _, place = place.rpartition(":")
    positive = not place.startswith("-")
    try:
        x, y = (float(part) for part in place.removeprefix("-").split(","))
        return int(frame or 0), int(number or 1), positive, x, y
    except ValueError:
        raise ValueError(f"{text!r} is no touch; write x,y or 2:x,y@12") from None


def _follow(
    session: LiveSession, video: VideoCapture, output: Path, touches: list[Touch], most: int | None
) -> int:
    """Write all frames, or at most a number of them, with the effect."""
    from napari_promptseg.live.capture import Recording

    count = 0
    with ExitStack() as stack:
        recording = None
        while (most is None or count < most) and (frame := video.read()) is not None:
            for at, number, positive, x, y in sorted(touches):
                if at == count:
                    session.touch(x, y, positive, number)
            picture, _ = session.step(frame)
            if recording is None:
                shape = picture.shape[0], picture.shape[1]
                recording = stack.enter_context(Recording(output, shape, video.rate))
            recording.write(picture)
            count += 1
    if not count:
        raise ValueError("it holds no frames")
    return count
