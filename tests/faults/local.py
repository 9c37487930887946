"""The rows in which something of the box itself fails: its disk, its daemon, its worker, its power."""

from collections.abc import Sequence
from functools import partial

from faults import company, disk, killed, masses, stream
from faults.crossing import cross
from faults.rows import Row
from faults.site import AZURITE, RCLONE

SOME = partial(cross, scenario=killed.worker_dies, files=(3, 20), size=(400_000, 1_000_000))
LARGE = partial(cross, scenario=killed.worker_stops, files=(2, 3), size=(16_000_000, 16_000_000), stall=(3.0, 120.0))
"""Files so large that not all of one is in the kernel's hands at once."""

ROWS: Sequence[Row] = (
    Row(30, "10 000 files after a week offline", RCLONE, masses.week_offline),
    Row(24, "power cut", RCLONE, killed.power_goes, tested=False),
    Row(10, "camera streams and records meanwhile", RCLONE, stream.goes_on, alone=True),
    Row(22, "daemon killed while two cameras record", RCLONE, killed.daemon_dies_recording, tested=False),
    Row(23, "worker stopped", RCLONE, partial(LARGE, server=RCLONE)),
    Row(23, "worker killed", RCLONE, partial(SOME, server=RCLONE)),
    Row(23, "worker killed", AZURITE, partial(SOME, server=AZURITE), tested=False),
    Row(22, "daemon killed in its uploads", RCLONE, killed.daemon_dies),
    Row(27, "disk turns read-only", RCLONE, disk.read_only),
    Row(27, "disk breaks (EIO)", RCLONE, disk.broken, tested=False),
    Row(25, "no room between two bytes", RCLONE, disk.no_room_for_a_byte, tested=False),
    Row(25, "disk fills, the store is away", RCLONE, disk.room_ends),
    Row(30, "one file of 500 MB", RCLONE, partial(masses.large_file, server=RCLONE), tested=False),
    Row(30, "one file of 500 MB", AZURITE, partial(masses.large_file, server=AZURITE), tested=False),
    Row(30, "one file of 500 MB", masses.FOLDER, partial(masses.large_file, server=masses.FOLDER), tested=False),
    Row(14, "bit rot on the disk", RCLONE, disk.rot),
    Row(33, "MQTT broker dies and comes again", RCLONE, company.broker_ends),
    Row(33, "MQTT broker hangs", RCLONE, company.broker_hangs, tested=False),
    Row(34, "two daemons on one spool", RCLONE, company.second_daemon, tested=False),  # see test_process.py
)
"""Those that take longest in the campaign first."""
