"""A job that kills its worker, once."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class KillOnce:
    """Does nothing but write its input; of an input that ends in "killer" the worker dies."""

    marks: str
    kind: ClassVar[str] = "kill once"
    suffix: ClassVar[str] = ".txt"

    def run(self, source: str, target: Path) -> dict[str, float | str]:
        mark = os.path.join(self.marks, "killed")
        if source.endswith("killer") and not os.path.exists(mark):
            open(mark, "w").close()
            target.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        target.write_text(source)
        return {}
