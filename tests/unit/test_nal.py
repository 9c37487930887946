"""H.264 and H.265, taken apart: the same units whatever form a camera gives them in."""

from dataclasses import replace

import pytest

from broadcast import hevc
from clips import h264
from edgecam import nal
from edgecam.frame import Frame, Kind


def frame(data: bytes, extradata: bytes | None = None, kind: Kind = Kind.H264) -> Frame:
    return Frame("cam", 1, 0, 0, kind, data, 320, 240, extradata=extradata)


@pytest.mark.parametrize(
    ("stream", "units"),
    [
        (b"", []),
        (b"no start code", []),
        (b"\0\0\1ab", [b"ab"]),
        (b"\0\0\0\1ab\0\0\0\1c", [b"ab", b"c"]),
        (b"\0\0\1a\0\0\0\0\0\1b\0\0", [b"a", b"b"]),
        (b"\0\0\1\0\0\1b", [b"b"]),
    ],
)
def test_a_byte_stream_is_units_between_start_codes(stream: bytes, units: list[bytes]) -> None:
    assert nal.units(frame(stream)) == units


@pytest.mark.parametrize("coded", [h264, hevc])
def test_both_forms_of_a_camera_have_the_same_pictures_and_parameter_sets(coded: object) -> None:
    streamed, filed = (coded(5, annexb=annexb) for annexb in (True, False))  # type: ignore[operator]
    kind = streamed[0].kind
    sets = nal.parameter_sets(kind, nal.units(streamed[0]))
    assert len(sets) == (2 if kind is Kind.H264 else 3)
    assert nal.parameters(filed[0]) == sets
    assert nal.parameters(replace(streamed[0], extradata=streamed[0].data)) == sets
    for one, other in zip(streamed[1:], filed[1:], strict=True):
        assert nal.units(one) == nal.units(other)
    assert nal.units(frame(nal.stream(filed[0])))[-1] == nal.units(streamed[0])[-1]


def test_a_camera_that_says_nothing_of_its_parameters_has_none() -> None:
    assert nal.parameters(frame(b"")) == ()


@pytest.mark.parametrize("record", [b"\1..", b"\1\1\1\1\1\xe1\xff"])
@pytest.mark.parametrize("kind", [Kind.H264, Kind.HEVC])
def test_a_damaged_configuration_record_is_refused(record: bytes, kind: Kind) -> None:
    for read in (nal.units, nal.parameters, nal.stream):
        with pytest.raises(ValueError, match="damaged"):
            read(frame(b"", record, kind))
