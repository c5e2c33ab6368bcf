"""Counters of energy in a folder that is laid out as the kernel's."""

import os
import time
from pathlib import Path

import pytest

from mlcycle.adapters.energy import Energy, Meter, zones

RANGE = 262_143_328_850  # of a real package, in microjoules


def zone(root: Path, folder: str, name: str, energy: int) -> Path:
    """As Linux lays it out; returns the counter."""
    (root / folder).mkdir(parents=True)
    (root / folder / "name").write_text(f"{name}\n")
    (root / folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    counter = root / folder / "energy_uj"
    counter.write_text(f"{energy}\n")
    return counter


def test_packages_are_counted_once_and_their_parts_not_again(tmp_path: Path) -> None:
    counters = [zone(tmp_path, f"intel-rapl:{i}", f"package-{i}", 5_000_000 * i) for i in range(2)]
    zone(tmp_path, "intel-rapl:0:0", "core", 1)
    zone(tmp_path, "intel-rapl:2", "psys", 1)
    (tmp_path / "intel-rapl").mkdir()
    assert list(zones(tmp_path)) == ["intel-rapl:0", "intel-rapl:1"]
    with Meter(tmp_path) as meter:
        counters[0].write_text("12500000\n")
        counters[1].write_text("6000000\n")
        (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("999000000")
    assert meter.energy == Energy(13.5)
    counters[0].write_text("99000000\n")
    assert meter.energy == Energy(13.5)


def test_a_counter_that_begins_again_is_seen_each_time(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 3_000_000)
    with Meter(tmp_path) as meter:
        counter.write_text("1000000")  # 4 J on
        meter.look()
        counter.write_text("500000")  # a whole range less half a joule on
    assert meter.energy.joules == pytest.approx(4 + RANGE / 1e6 - 0.5)


def test_a_watch_looks_by_itself(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    with Meter(tmp_path, every=0.001) as meter:
        counter.with_suffix(".new").write_text("2000000")
        counter.with_suffix(".new").replace(counter)
        for _ in range(60_000):  # a minute at the least, where nobody looks
            if meter.energy.joules:
                break
            time.sleep(0.001)
        assert meter.energy == Energy(2.0)
    assert meter.energy == Energy(2.0)


def test_where_there_is_no_counter_it_says_why(tmp_path: Path) -> None:
    with Meter(tmp_path / "absent") as meter:
        pass
    assert meter.energy == Energy(None, f"the system has no {tmp_path / 'absent'}")
    (tmp_path / "dtpm").mkdir()
    with Meter(tmp_path) as meter:
        pass
    assert meter.energy == Energy(None, f"{tmp_path} counts no processor package")


def test_a_counter_that_goes_away_or_is_no_number_ends_no_training(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 7)
    with Meter(tmp_path) as meter:
        counter.write_text("soon")
    assert meter.energy.joules is None
    assert "soon" in meter.energy.why


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_that_root_alone_reads_is_named(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 7)
    counter.chmod(0)
    with Meter(tmp_path) as meter:
        pass
    assert meter.energy == Energy(None, f"only root may read {counter}")
