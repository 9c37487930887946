"""Local days over UTC folders: where days begin, how long they are, what lies in them by the names of files."""

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from edgecam.media import MediaId, MediaKind, iso
from edgecam.web.days import local_date, local_dates, local_day, offsets
from edgecam.web.listing import Entry, Hour, hours, listing

BERLIN, KOLKATA, BEIRUT = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Asia/Beirut")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("day", "zone", "begin", "length", "utc_days"),
    [
        ("2026-11-21", UTC, "2026-11-21T00:00Z", 24, ["2026-11-21"]),
        ("2026-11-21", BERLIN, "2026-11-20T23:00Z", 24, ["2026-11-20", "2026-11-21"]),
        ("2026-03-29", BERLIN, "2026-03-28T23:00Z", 23, ["2026-03-28", "2026-03-29"]),
        ("2026-10-25", BERLIN, "2026-10-24T22:00Z", 25, ["2026-10-24", "2026-10-25"]),
        ("2026-11-21", KOLKATA, "2026-11-20T18:30Z", 24, ["2026-11-20", "2026-11-21"]),
        ("2026-11-21", ZoneInfo("America/Los_Angeles"), "2026-11-21T08:00Z", 24, ["2026-11-21", "2026-11-22"]),
        ("2026-03-29", BEIRUT, "2026-03-28T22:00Z", 23, ["2026-03-28", "2026-03-29"]),  # clocks skip midnight
    ],
)
def test_a_local_day_has_its_own_length(day: str, zone: ZoneInfo, begin: str, length: int, utc_days: list[str]) -> None:
    found = local_day(date.fromisoformat(day), zone)
    assert found.begin == at(begin)
    assert found.end - found.begin == length * 3600
    assert found.utc_days == utc_days
    assert local_date(found.begin, zone) == local_date(found.end - 0.001, zone) == found.date


@pytest.mark.parametrize(
    ("day", "zone", "told"),
    [
        ("2026-11-21", BERLIN, [("2026-11-20T23:00Z", 60)]),
        ("2026-10-25", BERLIN, [("2026-10-24T22:00Z", 120), ("2026-10-25T01:00Z", 60)]),
        ("2026-03-29", BERLIN, [("2026-03-28T23:00Z", 60), ("2026-03-29T01:00Z", 120)]),
        ("2026-11-21", KOLKATA, [("2026-11-20T18:30Z", 330)]),
        ("2026-04-05", ZoneInfo("Australia/Lord_Howe"), [("2026-04-04T13:00Z", 660), ("2026-04-04T15:00Z", 630)]),
    ],
)
def test_clocks_are_told_as_they_show(day: str, zone: ZoneInfo, told: list[tuple[str, int]]) -> None:
    assert offsets(local_day(date.fromisoformat(day), zone), zone) == [(at(begin), minutes) for begin, minutes in told]


def test_days_follow_each_other_without_a_hole_all_year() -> None:
    days = [local_day(date.fromordinal(date(2026, 1, 1).toordinal() + n), BERLIN) for n in range(365)]
    assert [day.begin for day in days[1:]] == [day.end for day in days[:-1]]


def test_a_folder_may_hold_two_local_days_and_strangers_hold_none() -> None:
    names = ["2026-11-21", "20261121", "2026-W47-6", "lost+found", "2026-02-30", "0001-01-01", "9999-12-31"]
    assert local_dates(names, BERLIN) == {date(2026, 11, 21), date(2026, 11, 22)}
    assert local_dates(names, UTC) == {date(2026, 11, 21)}


def test_names_tell_what_lies_in_a_day() -> None:
    day = local_day(date(2026, 11, 21), BERLIN)
    files = {
        "2026-11-20": [
            "20261120T230000000Z-cam-snapshot-bbbbbb.jpg",
            "20261120T230000000Z-cam-snapshot-bbbbbb.keep",
            "20261120T225959999Z-cam-event-eeeeee.mp4",  # yesterday
            "20261121T120000000Z-cam-event-eeeeee.mp4",  # not in this folder
        ],
        "2026-11-21": [
            "20261121T071530123Z-cam-event-aaaaaa.mp4",
            "20261121T071530123Z-cam-event-aaaaaa.jpg",
            "20261121T071530123Z-cam-event-aaaaaa.json",
            "20261121T120000000Z-cam-timelapse-cccccc.jpg",
            "20261121T225959999Z-cam-timelapse-dddddd.mp4",
            "20261121T230000000Z-cam-event-ffffff.mp4",  # tomorrow
            "20261121T071530123Z-other-event-aaaaaa.mp4",  # put there by hand
            "20261121T071530123Z-cam-snapshot-aaaaaa.mp4",
            "20261121T071530123Z-cam-event-gggggg.jpg",  # its clip is still being made
            "20261121T076030123Z-cam-event-hhhhhh.mp4",  # no such minute
            "x20261121T071530123Z-cam-event-iiiiii.mp4",
            "20261121T071530123Z-cam-event-jjjjjj.mp4.part",
            "a\n20261121T071530123Z-cam-event-kkkkkk.mp4\nb",
            "notes.txt",
            ".mp4",
            "",
        ],
    }
    found = listing(files, "cam", day.begin, day.end)
    assert [entry.name[9:] for entry in found.media] == [
        "225959999Z-cam-timelapse-dddddd",
        "120000000Z-cam-timelapse-cccccc.jpg",
        "071530123Z-cam-event-aaaaaa",
        "230000000Z-cam-snapshot-bbbbbb",
    ]
    assert [MediaId.parse(entry.name).name for entry in found.media] == [entry.name for entry in found.media]
    told = [json.loads(found.json(entry)) for entry in found.media]
    assert [item["start"] for item in told] == [iso(MediaId.parse(entry.name).start) for entry in found.media]
    assert {id[-6:] for id in found.pictures} == {"aaaaaa", "gggggg"}
    assert {id[-6:] for id in found.pinned} == {"bbbbbb"}


def test_continuous_segments_are_gathered_by_the_hours_of_the_day_that_clocks_change() -> None:
    day = local_day(date(2026, 10, 25), BERLIN)
    begins = [day.begin, day.begin + 10, day.begin + 2 * 3600, day.begin + 3 * 3600, day.end - 10]
    media = [Entry(MediaId.new(begin, "cam", MediaKind.CONTINUOUS).text, "continuous", "mp4") for begin in begins]
    media.append(Entry(MediaId.new(day.begin + 5 * 3600, "cam", MediaKind.EVENT).text, "event", "mp4"))
    found = hours(media, day.begin, day.end)
    assert [(round((hour.begin - day.begin) / 3600), hour.segments) for hour in found] == [
        (24, 1),
        (3, 1),
        (2, 1),
        (0, 2),
    ]
    assert found[0] == Hour(day.end - 3600, day.end, 1)
