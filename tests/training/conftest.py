"""What processes that train together are told of each other."""

import contextlib
import json
import os
import socket

import pytest


@pytest.fixture(scope="session")
def environments():
    """Return the environment variables of each of `count` processes; of one, alone."""

    def of(count):
        alone = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        alone.pop("TF_CONFIG", None)
        if count == 1:
            return [alone]
        workers = [f"localhost:{port}" for port in free_ports(count)]
        tasks = [{"type": "worker", "index": index} for index in range(count)]
        told = [{"cluster": {"worker": workers}, "task": task} for task in tasks]
        return [{**alone, "TF_CONFIG": json.dumps(each)} for each in told]

    return of


def free_ports(count):
    with contextlib.ExitStack() as stack:
        # All at once, or the same port would come twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
