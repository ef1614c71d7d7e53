"""Whatever stands in the file: a configuration that callveil's reader takes, and no traceback."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from relay.config import document
from relay.tools.coturn import convert, written
from relay.tools.coturn.options import OPTIONS
from tests.coturn.converting import HOST, converted

_VALUES = (
    st.sampled_from(
        [
            *("", "1", "0", "3478", "65535", "70000", "-1", "off", "10.0.0.1", "fd00::1", "::"),
            *("10.0.0.0-10.255.255.255", "8.8.8.8/10.0.0.1", "::0", "10.0.0.1:5", "[::1]:5"),
            *("ann:0x12", "ann:secret", "\ud800:x", "a:\U0001f600", 'a:"b"', "env:HOME", "a\x7fb"),
        ]
    )
    | st.text(max_size=40)
    | st.text(string.printable, max_size=40)
)
_LINES = st.builds("{}={}".format, st.sampled_from([*OPTIONS]), _VALUES) | _VALUES
_FILES = st.lists(_LINES, max_size=30).map(
    lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
)


def _assert_readable(content: bytes) -> None:
    imported = convert(content, HOST)
    assert document.parse(written(imported).encode()) == imported.document
    assert all(str(note).isprintable() for note in imported.notes)


@given(content=_FILES)
@example(content=b"no-udp\nno-tcp\n")
def test_any_options_give_what_the_reader_takes(content: bytes) -> None:
    _assert_readable(content)


@given(content=st.binary(max_size=400))
def test_any_bytes_give_what_the_reader_takes(content: bytes) -> None:
    _assert_readable(content)


@given(name=st.text('a"\\ü\U0001f600', min_size=1, max_size=127), password=st.text(min_size=1))
def test_a_user_is_written_as_it_is(name: str, password: str) -> None:
    content = f"user={name}:{password}\n".encode("utf-8", "surrogatepass")
    imported = convert(content, HOST)
    read = document.parse(written(imported).encode())
    assert read.get("auth") == imported.document.get("auth")


def test_no_secret_stands_among_what_is_said() -> None:
    canary = "s3cretcanary"
    options = [name for name, option in OPTIONS.items() if not option.is_switch]
    text = "".join(f"{name}={canary}\n{name}=env:{canary}\n" for name in options)
    text += f"user=0x:0x{canary}\nuse-auth-secret\nuser=ann:{canary}\n{canary}={canary}\n"
    imported = converted(text)
    said = [str(note) for note in imported.notes]
    assert [
        line for line in said if canary in line and "coturn has no such option" not in line
    ] == []
    comments = [line for line in written(imported).splitlines() if line.startswith("#")]
    assert sum(canary in line for line in comments) == 1


def test_too_much_to_say_is_left_out_of_the_file() -> None:
    imported = converted("frobnicate=1\n" * 5000)
    assert len(imported.notes) > 5000
    text = written(imported)
    assert len(text.encode()) < document.MAX_BYTES
    assert document.parse(text.encode()) == imported.document
