"""`edgecam cameras`: what a person is shown of the cameras of this box, and what they can paste.

/sys and /dev are folders laid out as the kernel and udev do; linuxpy is the real one over a kernel of ours.
"""

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from linuxpy.video.device import Capability, PixelFormat

from edgecam.__main__ import main
from edgecam.config.load import load
from edgecam.finding import CannotLook, Found, Mode, Offer, csi, listing, nodes, offers
from edgecam.finding.csi import CsiCamera
from edgecam.finding.look import Outcome, look
from edgecam.finding.stanza import ids, stanza
from kernelcam import KernelCam, plug_in

NO_RIBBON: Callable[[], list[CsiCamera] | None] = list


@dataclass
class Box:
    """A computer's /sys and /dev."""

    root: Path
    cams: dict[Path, KernelCam] = field(default_factory=dict)
    _count: int = 0

    @property
    def sys(self) -> Path:
        return self.root / "sys"

    @property
    def dev(self) -> Path:
        return self.root / "dev"

    def node(self, name: str, driver: str, bus: str, parent: Path, cam: KernelCam | None, number: int | None) -> Path:
        """One node of the device at `parent`, linked as the kernel does; returns its file in /dev."""
        number = self._count if number is None else number
        self._count = max(self._count, number) + 1
        siblings = parent / "video4linux"
        index = len(list(siblings.glob("*"))) if siblings.exists() else 0
        entry = siblings / f"video{number}"
        entry.mkdir(parents=True)
        (entry / "name").write_text(name + "\n")
        (entry / "index").write_text(f"{index}\n")
        (entry / "device").symlink_to(parent)
        for kind, what in (("subsystem", f"bus/{bus}"), ("driver", f"bus/{bus}/drivers/{driver}")):
            (self.sys / what).mkdir(parents=True, exist_ok=True)
            if not (parent / kind).exists():
                (parent / kind).symlink_to(self.sys / what)
        listed = self.sys / "class/video4linux"
        listed.mkdir(parents=True, exist_ok=True)
        (listed / entry.name).symlink_to(entry)
        self.dev.mkdir(exist_ok=True)
        device = self.dev / entry.name
        device.touch()
        if cam:
            self.cams[device] = cam
        return device

    def webcam(self, name: str, port: str, serial: str = "", number: int | None = None) -> Path:
        """A UVC camera: a node for video and one for metadata, with the links that udev makes."""
        usb = self.sys / f"devices/usb1/{port}"
        parent = usb / f"{port}:1.0"
        usb.mkdir(parents=True)
        for key, text in (("idVendor", "046d"), ("idProduct", "082d"), ("serial", serial)):
            (usb / key).write_text(f"{text}\n")
        device = self.node(name, "uvcvideo", "usb", parent, KernelCam(), number)
        meta = KernelCam(capabilities=Capability.META_CAPTURE)
        second = self.node(name, "uvcvideo", "usb", parent, meta, None)
        for index, target in enumerate((device, second)):
            stem = f"usb-046d_Webcam{serial and '_'}{serial}-video-index{index}"
            for folder, link in (("by-id", stem), ("by-path", f"platform-usb-0:{port}:1.0-video-index{index}")):
                (self.dev / "v4l" / folder).mkdir(parents=True, exist_ok=True)
                path = self.dev / "v4l" / folder / link
                path.unlink(missing_ok=True)  # the one that came last wins
                path.symlink_to(Path("../..") / target.name)
        return device

    def platform(self, name: str, driver: str, number: int, cam: KernelCam | None = None) -> None:
        self.node(name, driver, "platform", self.sys / f"devices/platform/{driver}.{number}", cam, number)

    def look(self, ask_csi: Callable[[], list[CsiCamera] | None] = NO_RIBBON, **keys: object) -> Outcome:
        return look(self.sys, self.dev, ask_csi=ask_csi, **keys)  # type: ignore[arg-type]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box(tmp_path)
    plug_in(monkeypatch, box.cams)
    return box


def no_linuxpy(path: str) -> Offer:
    raise ModuleNotFoundError("No module named 'linuxpy'", name="linuxpy")


def test_a_webcam_is_listed_once_by_the_name_that_lasts(box: Box) -> None:
    box.webcam("HD Pro Webcam C920", "1-1.2", serial="8A3F")
    (camera,) = box.look().cameras
    assert (camera.type, camera.name) == ("v4l2", "HD Pro Webcam C920")
    assert camera.device == str(box.dev / "v4l/by-id/usb-046d_Webcam_8A3F-video-index0")
    assert camera.problem is None
    assert camera.offer is not None
    assert camera.offer.formats["MJPG"][-1] == Mode(1920, 1080, (5.0, 30.0))
    assert list(camera.offer.formats) == ["MJPG", "YUYV"]


def test_two_webcams_of_one_make_without_serial_numbers_are_told_apart_by_their_ports(box: Box) -> None:
    box.webcam("Webcam", "1-1.2")
    box.webcam("Webcam", "1-1.3")
    found = box.look().cameras
    assert [Path(str(camera.device)).name for camera in found] == [
        "platform-usb-0:1-1.2:1.0-video-index0",
        "platform-usb-0:1-1.3:1.0-video-index0",
    ]
    assert ids(found) == ["webcam", "webcam_2"]


def test_the_codecs_and_isps_of_a_raspberry_pi_are_no_cameras(box: Box) -> None:
    for number, (name, driver) in enumerate(
        [
            ("bcm2835-codec-decode", "bcm2835-codec"),
            ("bcm2835-isp-capture0", "bcm2835-isp"),
            ("rpivid", "rpivid"),
            ("pispbe-output", "pispbe"),
            ("unicam-image", "unicam"),
            ("rp1-cfe-csi2_ch0", "rp1-cfe"),
        ],
        start=10,
    ):
        box.platform(name, driver, number, KernelCam())
    outcome = box.look()
    assert outcome.cameras == []
    assert "bcm2835-codec-decode" in outcome.hints[0]


def test_without_linuxpy_cameras_are_listed_all_the_same_and_the_cure_is_told_once(box: Box) -> None:
    box.webcam("HD Webcam: HD Webcam", "1-1", serial="A")
    box.webcam("Other", "1-2", serial="B")
    box.platform("some-codec", "hantro", 40)
    outcome = box.look(ask_offer=no_linuxpy)
    assert [camera.name for camera in outcome.cameras] == ["HD Webcam", "Other"]
    assert all(camera.offer is None for camera in outcome.cameras)
    assert [hint for hint in outcome.hints if "linuxpy" in hint] == [
        "formats and sizes of USB cameras are told when linuxpy is there: pip install 'edgecam[v4l2]'"
    ]
    assert outcome.failures == []


def test_a_device_that_nobody_may_open_is_listed_with_the_cure(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.webcam("Webcam", "1-1")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    (camera,) = box.look().cameras
    assert camera.problem is not None
    assert "usermod -aG video" in camera.problem


def test_a_device_that_hangs_hides_no_other(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = str(box.webcam("Stuck", "1-1", serial="A"))
    box.webcam("Well", "1-2", serial="B")
    release = threading.Event()
    monkeypatch.setattr("edgecam.finding.look.PATIENCE", 0.05)

    def ask(path: str) -> Offer:
        if path == hanging:
            release.wait(20)
        return offers.ask(path)

    stuck, well = box.look(ask_offer=ask).cameras
    release.set()
    assert stuck.problem is not None
    assert "does not answer" in stuck.problem
    assert well.problem is None


def test_a_driver_that_answers_nonsense_is_told(box: Box) -> None:
    device = box.webcam("Odd", "1-1")
    del box.cams[device]
    (camera,) = box.look().cameras
    assert camera.problem == "does not answer: Inappropriate ioctl for device; plug it in again"


def test_ribbon_cameras_come_first_and_by_model_while_that_tells_them_apart(box: Box) -> None:
    box.webcam("Webcam", "1-1")
    one = box.look(lambda: [CsiCamera(0, "imx708_wide")]).cameras
    assert [(camera.name, camera.device) for camera in one[:1]] == [("Camera Module 3", None)]
    assert [camera.type for camera in one] == ["picamera2", "v4l2"]
    two = box.look(lambda: [CsiCamera(0, "imx219"), CsiCamera(1, "ov5647")]).cameras
    assert [camera.device for camera in two[:2]] == ["imx219", "ov5647"]
    twins = box.look(lambda: [CsiCamera(0, "imx219"), CsiCamera(1, "imx219")]).cameras
    assert [camera.device for camera in twins[:2]] == ["0", "1"]


def test_a_raspberry_pi_without_picamera2_is_told_how_to_get_it(box: Box) -> None:
    model = box.sys / "firmware/devicetree/base/model"
    model.parent.mkdir(parents=True)
    model.write_text("Raspberry Pi Zero 2 W Rev 1.0\0")
    assert "apt install python3-picamera2" in box.look(lambda: None).hints[0]


# ---- the child that asks picamera2


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_picamera2_lists_ribbon_cameras_and_leaves_usb_to_v4l2() -> None:
    told = {
        "cameras": [
            {"Num": 0, "Model": "imx708", "Id": "/base/soc/i2c0mux/i2c@1/imx708@1a"},
            {"Num": 1, "Model": "Webcam", "Id": "/base/scb/pcie@7d500000/pci@0,0/usb@0,0-1.2:1.0-046d:082d"},
        ]
    }
    assert csi.ask(child(f"print('chatter')\nprint({json.dumps(json.dumps(told))})")) == [CsiCamera(0, "imx708")]


def test_a_box_without_picamera2_has_no_ribbon_cameras_and_that_is_no_fault(tmp_path: Path) -> None:
    assert csi.ask((sys.executable, "-S", "-E", "-c", csi._CHILD)) is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import time; time.sleep(60)", "did not answer within"),
        ("import os; os.abort()", "it said nothing"),
        ("raise RuntimeError('no camera manager')", "RuntimeError: no camera manager"),
        ("""print('{"missing": "libcamera"}')""", "installed without libcamera"),
    ],
    ids=["hangs", "dies", "raises", "half installed"],
)
def test_a_picamera2_that_fails_is_told_in_words(code: str, said: str) -> None:
    with pytest.raises(CannotLook, match=said):
        csi.ask(child(code), limit=0.5 if "sleep" in code else 20)


# ---- what is printed and written


@pytest.fixture
def found() -> Outcome:
    modes = tuple(Mode(*size, (5.0, 10.0, 30.0)) for size in ((640, 480), (1280, 720), (1920, 1080)))
    return Outcome(
        [
            Found("picamera2", "Camera Module 3", None, "ribbon cable, sensor imx708"),
            Found("v4l2", 'Odd: "cäm" #1', "/dev/v4l/by-id/usb-odd", "USB", Offer(True, {"MJPG": modes})),
            Found("v4l2", "settings", "/dev/video7", "virtual", problem="no permission"),
        ]
    )


@pytest.fixture(autouse=True)
def everything_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecam.config.unbuilt.NOT_BUILT", frozenset())


def test_what_is_printed_is_a_configuration_that_check_accepts(
    found: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listing.main(as_json=False, write=None, looking=lambda: found) == 0
    printed = capsys.readouterr().out
    assert "MJPG: 640x480 at 30/s, 1280x720 at 30/s, 1920x1080 at 30/s" in printed
    assert "PROBLEM: no permission" in printed
    assert "no lasting name" in printed
    (tmp_path / "config.yaml").write_text(printed)
    cameras = load(tmp_path / "config.yaml", environ={}).config.cameras
    assert list(cameras) == ["camera_module_3", "odd_c_m_1", "settings_camera"]
    webcam = cameras["odd_c_m_1"]
    assert webcam.name == 'Odd: "cäm" #1'
    assert (str(webcam.source.size), webcam.source.fps) == ("1280x720", 30)


def test_for_programs_it_is_json_with_a_stanza_for_each(found: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.main(as_json=True, write=None, looking=lambda: found) == 0
    told = json.loads(capsys.readouterr().out)
    assert [camera["id"] for camera in told["cameras"]] == ["camera_module_3", "odd_c_m_1", "settings_camera"]
    assert told["cameras"][1]["formats"]["MJPG"][0] == {"size": "640x480", "fps": [5, 10, 30]}
    assert yaml.safe_load(told["cameras"][0]["yaml"])["cameras"]["camera_module_3"]["source"] == {"type": "picamera2"}


def test_files_are_written_one_per_camera_and_never_over_an_existing_one(
    found: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "cameras"
    folder.mkdir(parents=True)
    (folder / "odd_c_m_1.yaml").write_text("mine")
    assert listing.main(as_json=False, write=folder, looking=lambda: found) == 0
    assert (folder / "odd_c_m_1.yaml").read_text() == "mine"
    assert "odd_c_m_1.yaml exists already and stays as it is" in capsys.readouterr().err
    for name in ("camera_module_3", "settings_camera"):
        assert main(["check", "-c", str(folder / f"{name}.yaml")]) == 0


def test_a_folder_that_cannot_be_written_ends_with_one(
    found: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert listing.main(as_json=False, write=tmp_path / "file", looking=lambda: found) == 1
    assert "cannot write to" in capsys.readouterr().err


def test_a_failed_look_ends_with_one_and_still_tells_the_rest(
    found: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    found.failures.append("picamera2 did not answer within 30 s")
    assert listing.main(as_json=False, write=None, looking=lambda: found) == 1
    told = capsys.readouterr()
    assert "picamera2 did not answer" in told.err
    assert "Camera Module 3" in told.out


def test_where_nothing_is_found_it_says_what_to_try(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.main(as_json=False, write=None, looking=box.look) == 0
    told = capsys.readouterr().out
    assert yaml.safe_load(told) is None
    for cure in ("no camera found here", "lsusb", "rpicam-hello", "groups", "rtsp://"):
        assert cure in told


def test_the_command_looks_at_this_box(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cameras", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"cameras", "failures", "hints"}


@pytest.mark.parametrize(
    ("modes", "size", "fps"),
    [
        ((Mode(640, 480, (30.0,)), Mode(1920, 1080, (30.0,))), "640x480", 30),
        ((Mode(1920, 1080, (5.0, 7.5)),), "1920x1080", 7.5),
        ((Mode(1280, 720),), "1280x720", None),
    ],
    ids=["the largest that is not too large", "the smallest there is", "rates unknown"],
)
def test_the_size_that_is_proposed_is_one_that_the_camera_has(
    modes: tuple[Mode, ...], size: str, fps: float | None
) -> None:
    camera = Found("v4l2", "Cam", "/dev/video0", "USB", Offer(True, {"YUYV": (Mode(320, 240),), "MJPG": modes}))
    source = yaml.safe_load(stanza("cam", camera))["cameras"]["cam"]["source"]
    assert (source["size"], source.get("fps")) == (size, fps)


def test_many_cameras_of_one_long_name_get_short_ids_of_their_own() -> None:
    given = ids([Found("v4l2", "x" * 60, None, "")] * 12)
    assert len(set(given)) == 12
    assert all(len(id) <= 32 for id in given)


def test_a_camera_that_codes_h264_itself_says_so(box: Box) -> None:
    device = box.dev / "video0"
    box.webcam("Webcam", "1-1")
    box.cams[device] = KernelCam(
        formats={PixelFormat.H264: {(1920, 1080): (30,)}, PixelFormat.YUYV: {(640, 480): (9,)}}
    )
    (camera,) = box.look().cameras
    assert camera.offer is not None
    assert list(camera.offer.formats) == ["H264", "YUYV"]
    assert nodes.nodes(box.sys, box.dev)[0].device == device
