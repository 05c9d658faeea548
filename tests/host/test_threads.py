"""An executor that needs no thread when it is used."""

import threading

from zoosup.host.threads import ready_made


def test_all_threads_are_there_before_the_first_task(monkeypatch):
    before = threading.active_count()
    with ready_made(5) as executor:
        assert before + 5 == threading.active_count()

        def refuse(_):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        gate = threading.Barrier(5)
        tasks = [executor.submit(gate.wait) for _ in range(5)]
        assert {0, 1, 2, 3, 4} == {task.result() for task in tasks}
    assert before == threading.active_count()
