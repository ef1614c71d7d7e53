"""What each party of a call could see of the others, out of captures and session descriptions.

    files = assign([Path("alice.pcap"), Path("bob.pcap"), Path("bob.sdp")], [])
    report = audit(files)
    report.verdict is Verdict.CLEAN

Rules of this package: files are data from anywhere: any bytes are read, or are a ConfigError with
the file's name. It uses nothing of the relay but the codec of STUN messages.
"""

from relay.tools.audit.files import Source, assign
from relay.tools.audit.report import Exposure, Gap, Notice, Report, Secret, Verdict
from relay.tools.audit.run import audit

__all__ = [
    "Exposure",
    "Gap",
    "Notice",
    "Report",
    "Secret",
    "Source",
    "Verdict",
    "assign",
    "audit",
]
