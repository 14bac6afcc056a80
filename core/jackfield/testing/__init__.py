"""For the tests of plugins and loaders: a fake model, a workbench, and suites to inherit from.

Imported one by one when first used, so that a worker can open a fake model without the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jackfield.testing.fake import FakeLoader, FakePlugin, fake_model
    from jackfield.testing.fake_adapters import fake_adapter
    from jackfield.testing.loader_conformance import LoaderConformance
    from jackfield.testing.plugin_conformance import PluginConformance
    from jackfield.testing.workbench import Reply, Workbench
    from jackfield.testing.worker_model import WorkerModel

__all__ = [
    "FakeLoader",
    "FakePlugin",
    "LoaderConformance",
    "PluginConformance",
    "Reply",
    "Workbench",
    "WorkerModel",
    "fake_adapter",
    "fake_model",
]


def __getattr__(name: str) -> Any:
    modules = {
        "FakeLoader": "fake",
        "FakePlugin": "fake",
        "LoaderConformance": "loader_conformance",
        "PluginConformance": "plugin_conformance",
        "Reply": "workbench",
        "Workbench": "workbench",
        "WorkerModel": "worker_model",
        "fake_adapter": "fake_adapters",
        "fake_model": "fake",
    }
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{modules[name]}"), name)
