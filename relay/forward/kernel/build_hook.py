"""Build hook of hatchling: compiles the program into the package, for wheels and editable installs.

Nothing of callveil imports this module.
"""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_RECIPE = Path(__file__).with_name("compile.py")


class FastPathHook(BuildHookInterface[Any]):  # type: ignore[misc]  # there while building only
    """Adds the object, or the line that says why there is none. It never fails a build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the wheel is put together."""
        spec = importlib.util.spec_from_file_location("compile", _RECIPE)
        if spec is None or spec.loader is None:
            raise FileNotFoundError(_RECIPE)
        recipe = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(recipe)
        reason = recipe.compile_program()
        if reason:
            self.app.display_warning(f"the kernel fast path is off: {reason}")
        made = recipe.REASON if reason else recipe.OBJECT
        build_data["artifacts"].append(made.relative_to(self.root).as_posix())
