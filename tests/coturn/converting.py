"""Converts a text, on a host of which everything is known."""

from relay.tools.coturn import Host, Imported, convert

HOST = Host("/etc/coturn", (), ("8.8.4.4",), lambda _certificate, _key: "")


def converted(text: str, host: Host = HOST) -> Imported:
    """What becomes of a text."""
    return convert(text.encode(), host)


def about(imported: Imported, option: str) -> list[str]:
    """The notes about an option, without its name, and without what they all begin with."""
    texts = [note.text for note in imported.notes]
    begun = f"{option}: "
    return [
        text.removeprefix(begun).removeprefix("not carried over: ")
        for text in texts
        if text.startswith(begun)
    ]
