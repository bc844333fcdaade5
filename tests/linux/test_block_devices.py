"""Disks and partitions, against the names that sysfs gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fivefold.linux import block_devices

BLOCK = Path("/sys/class/block")


def numbers(device: Path) -> tuple[int, int]:
    major, minor = (device / "dev").read_text().split(":")
    return int(major), int(minor)


def made(folder: Path, number: str, disk: str, partition: str = "") -> None:
    """A device as the kernel shows one: a link to its folder, below that of its disk."""
    where = folder / "devices" / disk / partition
    where.mkdir(parents=True, exist_ok=True)
    (where / "dev").write_text(f"{number}\n")
    if partition:
        (where / "partition").write_text("1\n")
    link = folder / number
    link.symlink_to(where)


def test_a_partition_is_on_its_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "259:0", "nvme0n1")
    made(tmp_path, "259:1", "nvme0n1", "nvme0n1p1")
    monkeypatch.setattr(
        block_devices, "Path", lambda name: tmp_path / str(name).removeprefix("/sys/dev/block/")
    )
    assert block_devices.disk_of(259, 1) == (259, 0)
    assert block_devices.disk_of(259, 0) == (259, 0)


def test_the_devices_of_this_machine() -> None:
    for device in BLOCK.iterdir():
        disk = device.resolve().parent if (device / "partition").exists() else device
        assert block_devices.disk_of(*numbers(device)) == numbers(disk)


def test_what_is_no_device_is_its_own() -> None:
    assert block_devices.disk_of(4095, 1) == (4095, 1)
