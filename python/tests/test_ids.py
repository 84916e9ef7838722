"""Request ids that are made by default."""

import os
import threading

import pytest

from redis_state import _requests


def id_of(request):
    return request.args[request.args.index("ID") + 1]


def test_each_call_has_an_id_of_its_own():
    ids = [id_of(_requests.fire("k", "go")) for _ in range(1000)]
    ids += [id_of(_requests.fire("k", "go", by="me")) for _ in range(1000)]
    assert len(set(ids)) == 2000 and all(1 <= len(token) <= 64 for token in ids)


def test_threads_share_none():
    found = []
    draw = lambda: found.extend([_requests.fresh_id() for _ in range(20_000)])
    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 80_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_others():
    _requests.fresh_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, _requests.fresh_id().encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    theirs = os.read(reader, 100).decode()
    os.close(reader)
    assert theirs and theirs != _requests.fresh_id()


def test_an_id_can_be_given_or_left_out():
    assert id_of(_requests.fire("k", "go", id="é")) == "é".encode()
    assert "ID" not in _requests.fire("k", "go", id=None).args
    assert "ID" not in _requests.new("k", _definition(), id=None, by="x").args


def _definition():
    from redis_state import Definition

    return Definition(map={}, initial="a")
