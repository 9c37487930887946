"""The rows in which something of the box itself fails: its disk, its daemon, its worker, its power."""

from collections.abc import Sequence
from functools import partial

from faults import company, disk, killed, masses
from faults.crossing import cross
from faults.rows import Row
from faults.site import AZURITE, RCLONE

SOME = {"files": (3, 20), "size": (400_000, 1_000_000)}
LARGE = {"files": (2, 3), "size": (16_000_000, 16_000_000)}
"""So large that not all of one is in the kernel's hands at once."""

ROWS: Sequence[Row] = (
    Row(30, "10 000 files after a week offline", RCLONE, masses.week_offline),
    Row(30, "one file of 500 MB", RCLONE, partial(masses.large_file, server=RCLONE)),
    Row(30, "one file of 500 MB", AZURITE, partial(masses.large_file, server=AZURITE)),
    Row(30, "one file of 500 MB", masses.FOLDER, partial(masses.large_file, server=masses.FOLDER)),
    Row(22, "daemon killed while two cameras record", RCLONE, killed.daemon_dies_recording),
    Row(24, "power cut", RCLONE, killed.power_goes),
    Row(22, "daemon killed in its uploads", RCLONE, killed.daemon_dies),
    Row(23, "worker killed", RCLONE, partial(cross, scenario=killed.worker_dies, server=RCLONE, **SOME)),
    Row(23, "worker killed", AZURITE, partial(cross, scenario=killed.worker_dies, server=AZURITE, **SOME)),
    Row(
        23,
        "worker stopped",
        RCLONE,
        partial(cross, scenario=killed.worker_stops, server=RCLONE, stall=(4.0, 120.0), **LARGE),
    ),
    Row(14, "bit rot on the disk", RCLONE, disk.rot),
    Row(25, "disk fills, the store is away", RCLONE, disk.room_ends),
    Row(25, "no room between two bytes", RCLONE, disk.no_room_for_a_byte),
    Row(27, "disk turns read-only", RCLONE, disk.read_only),
    Row(27, "disk breaks (EIO)", RCLONE, disk.broken),
    Row(33, "MQTT broker dies and comes again", RCLONE, company.broker_ends),
    Row(33, "MQTT broker hangs", RCLONE, company.broker_hangs),
    Row(34, "two daemons on one spool", RCLONE, company.second_daemon),
)
