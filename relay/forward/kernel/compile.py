"""Compiles the kernel program: the one recipe, for the build hook and by hand.

    python relay/forward/kernel/compile.py

Rules of this file: nothing but the standard library, since the build hook runs it before callveil
is installed; a host where it cannot be compiled gets a file that says why, and callveil installs
and runs without the fast path.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

DIRECTORY = Path(__file__).parent
SOURCE = DIRECTORY / "fastpath.bpf.c"
OBJECT = DIRECTORY / "fastpath.bpf.o"
REASON = DIRECTORY / "fastpath.bpf.missing"
"""Exists instead of the object, and holds one line: why there is none."""

_TIMEOUT_S = 120  # zig unpacks parts of itself on first use


def compile_program() -> str:
    """Write OBJECT, or REASON.

    Returns: why it could not be compiled; empty if it was.
    """
    OBJECT.unlink(missing_ok=True)
    REASON.unlink(missing_ok=True)
    reason = _compile()
    if reason:
        REASON.write_text(f"{reason}\n")
    return reason


def _compile() -> str:
    if not sys.platform.startswith("linux"):
        return "not compiled: it runs on Linux only"
    if sys.byteorder != "little":
        return "not compiled: this host is big-endian"
    ziglang = importlib.util.find_spec("ziglang")
    if ziglang is None or not ziglang.submodule_search_locations:
        return "not compiled: the ziglang package was missing when callveil was installed"
    headers = Path(ziglang.submodule_search_locations[0], "lib", "libc", "include")
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        try:
            done = subprocess.run(  # noqa: S603 - our own recipe, on our own files
                [sys.executable, "-m", "ziglang", "cc", *_options(headers)],
                cwd=DIRECTORY,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"not compiled: {type(error).__name__}"
    if done.returncode:
        line = next((line for line in done.stderr.splitlines() if "error" in line), "")
        return f"not compiled: {line or f'the compiler ended with {done.returncode}'}"
    return ""


def _options(headers: Path) -> list[str]:
    # x86-linux-any: <asm/types.h>, which is the same for every host; the target is BPF.
    include = [f"-isystem{headers / name}" for name in ("any-linux-any", "x86-linux-any")]
    # -g: libbpf reads the maps' definitions from the type information.
    # -mcpu=v3: atomic operations and 32-bit arithmetic, Linux 5.12.
    # Directories of the host that builds stay out of the object.
    options = ["-target", "bpfel-freestanding", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra"]
    return [
        *options,
        "-Werror",
        "-fdebug-compilation-dir=.",
        f"-fdebug-prefix-map={headers}=include",
        *include,
        "-c",
        SOURCE.name,
        "-o",
        OBJECT.name,
    ]


if __name__ == "__main__":
    sys.exit(compile_program() or 0)
