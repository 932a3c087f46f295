"""The model behind docs/scaling.md: reproduces what is published, and the page says what the script prints."""
import importlib.util
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scaling():
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "tests" / "bench" / "scaling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_published_transforms_are_within_a_quarter(scaling):
    rows = [line.split("|")[1:-1] for line in scaling.table_published().splitlines()[2:]]
    ratios = [float(row[3]) for row in rows]
    assert len(ratios) == 6 and all(0.95 < ratio < 1.25 for ratio in ratios), ratios


def test_fields_moved_are_those_of_the_plan(scaling):
    """docs: compute, 1a: 14 + 19 fields at first order with latents in Fourier space, 17 + 20 more at second."""
    first, second = scaling.Case(512, order=1), scaling.Case(512, order=2)
    assert (first.fields_moved(False), first.fields_moved()) == (14, 33)
    assert (second.fields_moved(False) - 14, second.fields_moved() - 33) == (17, 37)


def test_more_ranks_take_less_time_and_memory(scaling):
    for machine in scaling.MACHINES:
        many = [scaling.Case(2048, ranks) for ranks in (16, 32, 64, 128)]
        times, sizes = [scaling.seconds(c, machine) for c in many], [c.memory() for c in many]
        assert times == sorted(times, reverse=True) and sizes == sorted(sizes, reverse=True)
        assert all(scaling.seconds(c, machine, False) < t for c, t in zip(many, times))


def test_the_page_has_the_tables_of_the_script(scaling):
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    found = scaling.tables([])
    inside = dict(re.findall(r"<!-- table (\w+) -->\n(.*?)\n<!-- end -->", page, flags=re.S))
    assert set(inside) == set(found)
    for name in set(found) - {"cores"}:  # that one is measured
        assert inside[name] == found[name], name


def test_measured_rows_stand_beside_their_floor(scaling):
    bench = [{"name": "memory_triad", "value": 32.0, "unit": "GB/s", "threads": 2},
             {"name": "lpt_gradient_64x64x128_order1", "value": 15.0, "unit": "ms", "threads": 2},
             {"name": "lpt_value_256x256x256_order2", "value": 500.0, "unit": "ms", "threads": 1}]
    lines = scaling.table_cores(bench).splitlines()
    assert len(lines) == 4
    floor = 1e3 * 33 * 4 * 64 * 64 * 128 / 32e9
    assert float(lines[2].split("|")[5]) == pytest.approx(floor, rel=5e-3)
    assert lines[3].split("|")[5].strip() == "-"  # no bandwidth of one thread was measured
