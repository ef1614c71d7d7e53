"""One definition of each structure on either side: Python's is compared with the compiled one's."""

import ctypes
from collections.abc import Iterator

import pytest

from relay.errors import DropReason
from relay.forward.kernel import layout, libbpf
from relay.forward.kernel.compile import OBJECT
from relay.forward.kernel.maps import possible_cpus
from tests.kernel.bench_rig import Bench
from tests.kernel.requirements import require

_STRUCT, _ENUM = 4, 6  # BTF_KIND_


class Types:
    """The type information of the object: Documentation/bpf/btf.rst of the kernel."""

    def __init__(self) -> None:
        self._library = libbpf.load_library()
        self._library.btf__parse.restype = ctypes.c_void_p
        self._library.btf__type_by_id.restype = ctypes.POINTER(ctypes.c_uint32)
        self._library.btf__name_by_offset.restype = ctypes.c_char_p
        self._library.btf__resolve_size.restype = ctypes.c_int64
        self._btf = ctypes.c_void_p(self._library.btf__parse(bytes(OBJECT), None))

    def struct(self, name: str) -> tuple[int, dict[str, int]]:
        """Size of a structure, and its members' offsets in bytes."""
        words = self._words(name, _STRUCT)
        members = (words[3 + 3 * i : 6 + 3 * i] for i in range(words[1] & 0xFFFF))
        return words[2], {self._name(at): bits // 8 for at, _, bits in members}

    def enum(self, name: str) -> dict[str, int]:
        """The names of an enumeration and their values."""
        words = self._words(name, _ENUM)
        pairs = (words[3 + 2 * i : 5 + 2 * i] for i in range(words[1] & 0xFFFF))
        return {self._name(at): value for at, value in pairs}

    def close(self) -> None:
        """Free it."""
        self._library.btf__free(self._btf)

    def _words(self, name: str, kind: int) -> list[int]:
        number = self._library.btf__find_by_name_kind(self._btf, name.encode(), kind)
        assert number > 0, name
        at = self._library.btf__type_by_id(self._btf, number)
        return list(at[: 3 + 3 * (at[1] & 0xFFFF)])

    def _name(self, at: int) -> str:
        name: bytes = self._library.btf__name_by_offset(self._btf, at)
        return name.decode()


@pytest.fixture
def types() -> Iterator[Types]:
    require()
    made = Types()
    yield made
    made.close()


@pytest.mark.parametrize(
    "expected",
    [layout.ROUTE_KEY, layout.ROUTE, layout.LEG, layout.CONFIG, layout.TOTALS, layout.LISTENER],
    ids=lambda expected: expected.name,
)
def test_structure_is_the_same_in_c_and_in_python(types: Types, expected: layout.Layout) -> None:
    assert types.struct(expected.name) == (expected.size, expected.offsets)


def test_reasons_to_drop_have_the_same_numbers_in_c_and_in_python(types: Types) -> None:
    in_c = types.enum("drop_reason")
    assert in_c
    assert in_c == {name: DropReason[name].value for name in in_c}


def test_every_reason_to_drop_has_a_counter(bench: Bench) -> None:
    assert max(DropReason) < libbpf.map_info(bench.program.maps["drops"]).max_entries


@pytest.mark.parametrize("name", layout.MAPS)
def test_map_has_the_keys_and_values_that_python_expects(bench: Bench, name: str) -> None:
    key, value = layout.MAPS[name]
    info = libbpf.map_info(bench.program.maps[name])
    assert (info.key_size, info.value_size) == (key.size, value.size)


def test_one_set_of_counters_per_cpu(bench: Bench) -> None:
    assert possible_cpus() >= 1
    assert len(bench.totals.sums()) == layout.TOTALS.size // 8
