"""In which order what lies in the library is given up."""

from pathlib import Path

from edgecam.media import Layout, MediaId, MediaKind
from edgecam.record.disk.shelf import Shelf


def test_of_several_cameras_the_oldest_recordings_go_first_not_all_of_one_camera(tmp_path: Path) -> None:
    layout, ids = Layout(tmp_path), list[MediaId]()
    for number in range(12):
        id = MediaId.new(1.79e9 + 5 * number, ("jay", "robin", "wren")[number % 3], MediaKind.CONTINUOUS)
        layout.folder(id).mkdir(parents=True, exist_ok=True)
        layout.media(id).touch()
        ids.append(id)
    assert [item.id.text for _, item in Shelf(layout).cheapest_first()] == [id.text for id in ids]


def test_what_is_pinned_while_room_is_made_is_not_given_up_for_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    first, second = (MediaId.new(1.79e9 + n, "cam", MediaKind.EVENT) for n in range(2))
    layout.folder(first).mkdir(parents=True)
    for id in (first, second):
        layout.media(id).touch()
    given_up = Shelf(layout).cheapest_first()
    assert next(given_up)[1].id == first
    layout.pin(second).touch()
    assert list(given_up) == []  # of this round


def test_what_was_sealed_for_a_store_takes_room_too(tmp_path: Path) -> None:
    layout, shelf = Layout(tmp_path), Shelf(Layout(tmp_path))
    before = shelf.beside()
    layout.seals.mkdir(parents=True)
    layout.sealed(MediaId.new(1.79e9, "cam", MediaKind.EVENT)).write_bytes(bytes(1000))
    assert shelf.beside() == before + 1000
