"""What all tests share."""

import pytest

from tests.support.effort import LONG


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what only `make long` has time for out of other runs."""
    if LONG:
        return
    long = {item for item in items if item.get_closest_marker("long")}
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=list(long))
