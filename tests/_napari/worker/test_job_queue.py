from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from headless import SECONDS, Mailbox

from napari_promptseg._napari.worker.job_queue import Job, JobQueue


@pytest.fixture
def mail():
    return Mailbox()


@pytest.fixture
def worker(mail):
    worker = JobQueue(mail)
    yield worker
    worker.close()


def _ignore(_):
    pass


def test_results_come_in_order_from_one_thread(worker, mail):
    results, threads = [], set()

    def work(job):
        threads.add(threading.current_thread().name)
        return job.items[0]

    for number in range(5):
        worker.submit(Job(work, results.append, _ignore, items=[number]))
    assert worker.busy
    mail.open(5)
    assert results == list(range(5))
    assert threads == {"promptseg"}
    assert not worker.busy


def test_an_exception_is_delivered_and_the_next_job_runs(worker, mail):
    results = []

    def fail(_):
        raise KeyError("no")

    worker.submit(Job(fail, results.append, lambda error: results.append(type(error))))
    worker.submit(Job(lambda _: "next", results.append, _ignore))
    mail.open(2)
    assert results == [KeyError, "next"]


class Panic(BaseException):
    """As native extensions raise it."""


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), Panic("index 7 of 5")])
def test_what_would_end_a_program_is_delivered_and_the_next_job_runs(worker, mail, caplog, error):
    messages = []

    def fail(_):
        raise error

    worker.submit(Job(fail, messages.append, lambda failure: messages.append(str(failure))))
    worker.submit(Job(lambda _: "next", messages.append, _ignore))
    with caplog.at_level("ERROR"):
        mail.open(2)
    assert messages == [
        f"the work was ended by {type(error).__name__}: {error}".rstrip(": "),
        "next",
    ]
    assert "Traceback" in caplog.text
    assert not worker.busy


def test_waiting_jobs_of_one_key_are_merged_up_to_another_one(worker, mail):
    results, go = [], threading.Event()
    worker.submit(Job(lambda _: go.wait(SECONDS), _ignore, _ignore))
    for key, item in [("a", 1), ("a", 2), ("b", 3), ("a", 4), (None, 5), (None, 6)]:
        worker.submit(Job(lambda job: list(job.items), results.append, _ignore, "me", key, [item]))
    worker.submit(Job(lambda job: list(job.items), results.append, _ignore, "other", None, [7]))
    go.set()
    mail.open(7)
    assert results == [[1, 2], [3], [4], [5], [6], [7]]


def test_dropped_jobs_never_run_and_the_running_one_is_told(worker, mail):
    results, started = [], threading.Event()

    def run(job):
        started.set()
        return job.stop_event.wait(SECONDS)

    worker.submit(Job(run, results.append, _ignore, "me"))
    worker.submit(Job(lambda _: "mine", results.append, _ignore, "me"))
    worker.submit(Job(lambda _: "other", results.append, _ignore, "other"))
    assert started.wait(SECONDS)
    worker.drop("me")
    mail.open(2)
    assert results == [True, "other"]


def test_idle_jobs_wait_for_all_others_and_newer_ones_replace_them(worker, mail):
    results, go = [], threading.Event()
    worker.submit(Job(lambda _: go.wait(SECONDS), _ignore, _ignore))
    for number, (idle, key) in enumerate([(True, "a"), (True, "b"), (True, "a"), (False, "a")]):
        job = Job(lambda job: job.items[0], results.append, _ignore, "me", key, [number], idle)
        worker.submit(job)
    go.set()
    mail.open(4)
    assert results == [3, 1, 2]
    assert not worker.busy


def test_dropped_idle_jobs_never_run(worker, mail):
    results, go = [], threading.Event()
    worker.submit(Job(lambda _: go.wait(SECONDS), results.append, _ignore))
    worker.submit(Job(lambda _: "mine", results.append, _ignore, "me", "a", idle=True))
    worker.submit(Job(lambda _: "other", results.append, _ignore, "other", "a", idle=True))
    worker.drop("me")
    go.set()
    mail.open(2)
    assert results == [True, "other"]


def test_close_is_bounded_and_silences_what_runs(mail):
    worker, go, started = JobQueue(mail), threading.Event(), threading.Event()

    def run(_):
        started.set()
        go.wait(SECONDS)

    worker.submit(Job(run, _ignore, _ignore))
    assert started.wait(SECONDS)
    assert not worker.close(timeout=0.05)
    worker.submit(Job(lambda _: "again", lambda result: None, _ignore))
    go.set()
    mail.open(1)
    assert not mail.calls
    assert worker.close()
    assert worker.close()


EXIT = """
import atexit, threading
from napari_promptseg._napari.worker.job_queue import Job, JobQueue

started, go_on = threading.Event(), threading.Event()

def work(_):
    started.set()
    go_on.wait(10)
    print("finished", flush=True)

queue = JobQueue(lambda call: None)
queue.submit(Job(work, lambda _: None, lambda _: None))
started.wait(10)
atexit.register(go_on.set)
queue.close(timeout=0)
"""


def test_the_interpreter_waits_for_a_running_job_at_its_exit():
    done = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stderr


HUNG_EXIT = """
import threading
from napari_promptseg._napari.worker import job_queue

job_queue._EXIT_TIMEOUT = job_queue._LAST_SECONDS = 0.0
started = threading.Event()

def work(_):
    started.set()
    threading.Event().wait()

queue = job_queue.JobQueue(lambda call: None)
queue.submit(job_queue.Job(work, lambda _: None, lambda _: None))
started.wait(10)
queue.close(timeout=0)
"""


def test_a_job_that_hangs_does_not_keep_the_process():
    done = subprocess.run([sys.executable, "-c", HUNG_EXIT], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_traceback_of_a_bug_is_logged_and_a_mistake_of_the_user_is_not(caplog):
    mail = Mailbox()
    queue = JobQueue(mail)
    caught: list[Exception] = []

    def fail_with(error):
        def work(_):
            raise error

        queue.submit(Job(work, lambda _: None, caught.append))
        mail.open(1)

    with caplog.at_level("ERROR"):
        fail_with(ValueError("outside of the image"))
        assert not caplog.records
        fail_with(TypeError("unsupported operand"))
    assert [type(error) for error in caught] == [ValueError, TypeError]
    assert "Traceback" in caplog.text
    assert "unsupported operand" in caplog.text
    queue.close()
