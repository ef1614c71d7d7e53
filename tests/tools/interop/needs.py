"""What the clients need of this machine, and which versions of them are here."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from importlib import metadata

from tests.kit import requirements
from tests.tools.interop.cells import OF_NPM, Cell
from tests.tools.interop.clients import SYSTEM_PYTHON, node

_TOOLS = {
    "chromium": {"chromium": "chromium", "certutil": "libnss3-tools"},
    "firefox": {"firefox-esr": "firefox-esr", "certutil": "libnss3-tools"},
    "janus": {"janus": "janus"},
    "uclient": {"turnutils_uclient": "coturn"},
}
_GSTREAMER = {
    "webrtcbin": "gstreamer1.0-plugins-bad gir1.2-gst-plugins-bad-1.0",
    "nicesrc": "gstreamer1.0-nice",
    "rtpopuspay": "gstreamer1.0-plugins-good",
    "opusenc": "gstreamer1.0-plugins-base",
}
_ELEMENTS = f"""
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstWebRTC
Gst.init(None)
for name in {[*_GSTREAMER]}:
    if Gst.ElementFactory.find(name) is None:
        print(name)
"""
_DEBIAN = {
    "chromium": "chromium",
    "firefox": "firefox-esr",
    "webrtcbin": "gstreamer1.0-plugins-bad",
    "janus": "janus",
    "uclient": "coturn",
}


def missing(cells: Iterable[Cell]) -> str:
    """What to do before these cells can be placed; empty if they can be."""
    clients = {cell.client for cell in cells}
    packages = dict(requirements.PACKAGES)
    for client in clients:
        packages |= _TOOLS.get(client, {})
    needs = [requirements.missing(packages)]
    if "webrtcbin" in clients:
        needs.append(_missing_of_gstreamer())
    if clients & {*OF_NPM} and not shutil.which("npm"):
        needs.append("install Node 20 or newer with npm")
    return " and ".join(filter(None, needs))


def _missing_of_gstreamer() -> str:
    done = subprocess.run(
        [SYSTEM_PYTHON, "-c", _ELEMENTS], capture_output=True, text=True, check=False
    )
    names = done.stdout.split() if done.returncode == 0 else [*_GSTREAMER]
    packages = [_GSTREAMER[name] for name in names]
    return f"apt-get install python3-gi {' '.join(packages)}" if packages else ""


def versions() -> dict[str, str]:
    """Of each client, as its packager says."""
    found = {client: _debian(package) for client, package in _DEBIAN.items()}
    found["webrtcbin"] += f", libnice {_debian('gstreamer1.0-nice')}"
    found["aiortc"] = f"{metadata.version('aiortc')}, aioice {metadata.version('aioice')}"
    pinned = json.loads(node.PACKAGES.read_text())["dependencies"]
    found |= {"wrtc": pinned["@roamhq/wrtc"], "werift": pinned["werift"]}
    return found


def _debian(package: str) -> str:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout or "not of Debian's packages"
