"""Session controller: the commands of the user, without widgets and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from napari_promptseg._napari.worker.files import FileCommands
from napari_promptseg._napari.worker.label_edits import LabelEditCommands
from napari_promptseg._napari.worker.model import ModelCommands
from napari_promptseg._napari.worker.objects import ObjectCommands
from napari_promptseg._napari.worker.precompute import PrecomputeCommands
from napari_promptseg._napari.worker.prompts import PromptCommands
from napari_promptseg._napari.worker.propagation import PropagationCommands
from napari_promptseg._napari.worker.proposals import ProposalCommands
from napari_promptseg._napari.worker.results import ResultCommands
from napari_promptseg._napari.worker.segment_each import EachCommands
from napari_promptseg._napari.worker.session_proxy import SessionProxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.autosave import Autosave
    from napari_promptseg._napari.worker.job_queue import Deliver, JobQueue
    from napari_promptseg._napari.worker.snapshot import SessionControllerEvents, Snapshot
    from napari_promptseg.data.volume import Volume

T = TypeVar("T")


class SessionController:
    """Groups the commands on one session that runs on the worker.

    Parameters
    ----------
    session, worker, deliver
        See `SessionProxy`.
    """

    def __init__(self, session: AnySession, worker: JobQueue, deliver: Deliver) -> None:
        proxy = self.proxy = SessionProxy(session, worker, deliver)
        self.propagation = PropagationCommands(proxy)
        self.prompts = PromptCommands(proxy, self.propagation)
        self.each = EachCommands(proxy, self.propagation, self.prompts)
        self.objects = ObjectCommands(proxy, self.propagation, self.prompts)
        self.edits = LabelEditCommands(proxy, self.propagation)
        self.results = ResultCommands(proxy)
        self.proposals = ProposalCommands(proxy)
        self.precompute = PrecomputeCommands(proxy)
        self.model = ModelCommands(proxy, self.propagation)
        self.files = FileCommands(proxy)

    @property
    def events(self) -> SessionControllerEvents:
        """Signals for the views."""
        return self.proxy.events

    @property
    def session(self) -> AnySession:
        """The session; only the worker may change it."""
        return self.proxy.session

    @property
    def autosave(self) -> Autosave:
        """Journal and label backups of the session."""
        return self.proxy.autosave

    @property
    def volume(self) -> Volume:
        """The image."""
        return self.proxy.volume

    @property
    def mask(self) -> NDArray[Any]:
        """Mask of the active object, an array of the shape of the volume."""
        return self.proxy.mask

    @property
    def labels(self) -> NDArray[Any]:
        """Committed objects, an array of the shape of the volume."""
        return self.proxy.labels

    @property
    def snapshot(self) -> Snapshot:
        """The state to show."""
        return self.proxy.snapshot

    def ask(
        self, question: str, work: Callable[[AnySession], T], then: Callable[[T], None]
    ) -> None:
        """See `SessionProxy.ask`."""
        self.proxy.ask(question, work, then)

    def replace_session(self, session: AnySession) -> None:
        """See `SessionProxy.replace_session`."""
        self.proxy.replace_session(session)

    def give_up(self) -> bool:
        """See `SessionProxy.give_up`; the model is loaded again with the next prompt."""
        given_up = self.proxy.give_up()
        if given_up:
            self.events.status.emit("Given up: what was done before is as it was")
        return given_up

    def rest(self) -> None:
        """Free the model; the next prompt loads it again."""
        self.proxy.run(lambda session, _: session.close())

    def close(self) -> AnySession:
        """See `SessionProxy.close`."""
        return self.proxy.close()
