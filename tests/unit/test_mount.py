"""Whether something is mounted at a place, as the kernel tells it."""

from pathlib import Path

import pytest

from edgecam.media import Layout
from edgecam.record.disk.library import Away, Library
from edgecam.record.disk.mount import mounted, points
from mounts import as_root, mount, mounts, tmpfs, unmount

MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
61 22 8:1 /clips /mnt/my\040stick rw shared:30 master:2 - vfat /dev/sda1 rw,uid=1000
62 22 0:44 / /mnt/nas rw - autofs systemd-1 rw,fd=50
63 22 254:0 /srv /mnt/back\134slash rw - ext4 /dev/root rw
64 22 0:45 / /mnt/nas2 rw - autofs systemd-1 rw,fd=51
65 64 0:46 / /mnt/nas2 rw - nfs4 server:/x rw
66 22 254:0 /mnt/writable /mnt/writable rw - ext4 /dev/root rw
67 22 0:47 / /mnt/both rw - nfs4 server:/y rw
68 67 0:47 / /mnt/both rw - nfs4 server:/y rw
"""


def test_what_is_mounted_is_known_by_its_plain_name_and_an_automount_that_has_not_come_is_not() -> None:
    assert points(MOUNTINFO) == {"/", "/mnt/my stick", "/mnt/back\\slash", "/mnt/nas2", "/mnt/both"}


def test_a_folder_is_no_mount_and_what_is_not_there_neither(tmp_path: Path) -> None:
    assert not mounted(tmp_path)
    assert not mounted(tmp_path / "gone")
    assert mounted(Path("/proc"))


@as_root
def test_a_bind_mount_of_the_same_disk_counts_also_behind_a_link(tmp_path: Path) -> None:
    with mounts(tmp_path / "a place") as place:
        mount(place, "--bind", str(tmp_path))
        assert mounted(place)
        (tmp_path / "link").symlink_to(place)
        assert mounted(tmp_path / "link")
        assert not mounted(tmp_path)
        unmount(place)
        assert not mounted(place)


@as_root
def test_a_folder_bound_to_itself_as_systemd_does_is_no_mount_until_something_is_mounted(tmp_path: Path) -> None:
    with mounts(tmp_path / "place") as place:
        mount(place, "--bind", str(place))
        assert not mounted(place)
        mount(place, "-t", "tmpfs", "tmpfs")
        assert mounted(place)
        mount(place, "--bind", str(place))
        assert mounted(place)


@as_root
def test_a_library_is_nowhere_but_where_it_was_opened(tmp_path: Path) -> None:
    library = Library(Layout(tmp_path / "place"), wanted=lambda _: False, require_mount=True)
    with pytest.raises(Away, match="nothing is mounted at"):
        library.open()
    with tmpfs(tmp_path / "place", 1 << 20) as place:
        library.open()
        library.check()
        mount(place, "-t", "tmpfs", "tmpfs")
        with pytest.raises(Away, match=r"the storage .*place is gone"):
            library.check()
        with pytest.raises(Away):
            library.probe()
        assert list(place.iterdir()) == []
        library.open()
        library.check()
        unmount(place)
        with pytest.raises(Away):
            library.check()
        library.close()
