"""The servers here compare their counts with a walk themselves, where the build with SM.CHECK is there."""

import pytest

from harness import FAULT_MODULE, MODULE, Pool


class CheckedPool(Pool):
    def prepare(self, *args, **kwargs):
        module = FAULT_MODULE if FAULT_MODULE.exists() else MODULE
        return super().prepare(*args, **{"module": module} | kwargs)


@pytest.fixture
def servers():
    pool = CheckedPool()
    yield pool
    pool.close()
