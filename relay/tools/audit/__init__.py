"""Searches captures and session descriptions for what each party could see of the others.

    files = assign([Path("alice.pcap"), Path("bob.pcap"), Path("bob.sdp")], [])
    report = audit(files)
    report.verdict is Verdict.CLEAN

Rules of this package: files may come from anywhere. Any bytes are either read or are a ConfigError
with the name of the file. The package uses nothing of the relay but the codec of STUN messages.
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
