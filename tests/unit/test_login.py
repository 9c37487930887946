"""Logins: the RFCs' own examples, cameras' habits, and curl and urllib as other people's clients."""

import asyncio
from itertools import count
from urllib.request import AbstractDigestAuthHandler, HTTPPasswordMgrWithDefaultRealm, Request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorkeeper import Doorkeeper
from edgecam.login import Challenge, Login, Unanswerable, challenges
from httpcam import HttpCam
from pictures import jpeg

NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
TOKEN7616 = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def fields(answer: str | None) -> dict[str, str]:
    assert answer is not None
    (challenge,) = challenges([answer])
    return dict(challenge.params)


@pytest.mark.parametrize(
    ("challenge", "password", "token", "response"),
    [
        (RFC7616.format("MD5"), "Circle of Life", TOKEN7616, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            RFC7616.format("SHA-256"),
            "Circle of Life",
            TOKEN7616,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        (  # RFC 2617, 3.5
            f'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="{NONCE}"',
            "Circle Of Life",
            "0a4f113b",
            "6629fae49393a05397450978507c4ef1",
        ),
        (  # as in RFC 2069
            f'Digest realm="testrealm@host.com", nonce="{NONCE}"',
            "Circle Of Life",
            "0a4f113b",
            "670fd8c2df070c60b045671b8b24ff02",
        ),
    ],
)
def test_the_examples_of_the_rfcs(challenge: str, password: str, token: str, response: str) -> None:
    login = Login("Mufasa", password, lambda: token)
    assert login.refused([challenge])
    assert fields(login.answer("GET", "/dir/index.html"))["response"] == response


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (['Basic realm="cam"'], [("basic", {"realm": "cam"})]),
        (
            ['DIGEST  Realm = "a, \\"b\\"" ,NONCE=x,stale=FALSE'],
            [("digest", {"realm": 'a, "b"', "nonce": "x", "stale": "FALSE"})],
        ),
        (['Basic realm="a", Digest nonce="b"'], [("basic", {"realm": "a"}), ("digest", {"nonce": "b"})]),
        (['Basic realm="a"', 'Digest nonce="b"'], [("basic", {"realm": "a"}), ("digest", {"nonce": "b"})]),
        (["Negotiate"], [("negotiate", {})]),
        (["NTLM TlRMTVNTUAAC=="], [("ntlm", {"tlrmtvntuaac": "="})]),
        (['realm="lost"', ""], []),
    ],
)
def test_every_way_in_that_is_offered_is_seen(headers: list[str], found: list[tuple[str, dict[str, str]]]) -> None:
    seen = [(challenge.scheme, dict(challenge.params)) for challenge in challenges(headers)]
    assert seen == found


@given(st.lists(st.text(max_size=200), max_size=4))
def test_no_header_can_break_it(headers: list[str]) -> None:
    assert all(isinstance(challenge, Challenge) for challenge in challenges(headers))


@pytest.mark.parametrize(
    ("offers", "scheme"),
    [
        (['Basic realm="x"', 'Digest realm="x", nonce="n"'], "Digest"),
        (['Digest realm="x", nonce="n", algorithm=SHA-512', 'Basic realm="x"'], "Basic"),
        (['Digest realm="x", nonce="n", qop="token"', 'Basic realm="x"'], "Basic"),
        (["Negotiate", 'Basic realm="x"'], "Basic"),
        ([], "Basic"),  # 401 without a word: cheap cameras
    ],
)
def test_digest_goes_before_basic_and_nothing_is_said_unasked(offers: list[str], scheme: str) -> None:
    login = Login("anna", "secret")
    assert login.answer("GET", "/") is None
    assert login.refused(offers)
    assert str(login.answer("GET", "/")).startswith(scheme + " ")


def test_the_first_digest_that_we_know_is_taken() -> None:
    login = Login("anna", "secret")
    login.refused(['Digest nonce="1", algorithm=SHA-512', 'Digest nonce="2", algorithm=SHA-256', 'Digest nonce="3"'])
    assert fields(login.answer("GET", "/"))["nonce"] == "2"


@pytest.mark.parametrize(
    ("offers", "words"),
    [
        (["Negotiate", "NTLM"], "Negotiate or Ntlm"),
        (['Digest nonce="x", algorithm=SHA-512', 'Digest nonce="x", algorithm=SHA-512'], "Digest SHA-512"),
    ],
)
def test_what_we_cannot_answer_is_named(offers: list[str], words: str) -> None:
    with pytest.raises(Unanswerable, match=f"^{words}$"):
        Login("anna", "secret").refused(offers)


def test_a_nonce_is_counted_and_the_next_one_begins_anew() -> None:
    tokens = map(str, count())
    login = Login("anna", "secret", lambda: next(tokens))
    login.refused(['Digest realm="x", nonce="one", qop=auth'])
    seen = [fields(login.answer("GET", "/")) for _ in range(2)]
    login.accepted('nextnonce="two", qop=auth')
    seen += [fields(login.answer("GET", "/"))]
    assert [(sent["nonce"], sent["nc"], sent["cnonce"]) for sent in seen] == [
        ("one", "00000001", "0"),
        ("one", "00000002", "0"),
        ("two", "00000001", "1"),
    ]


def test_only_what_the_camera_said_comes_back() -> None:
    login = Login('an"na', "secret")
    login.refused([f'Digest realm="a \\"b\\"", nonce="{NONCE}"'])
    answer = login.answer("GET", "/?a=b")
    assert fields(answer).keys() == {"username", "realm", "nonce", "uri", "response"}
    assert 'username="an\\"na", realm="a \\"b\\""' in str(answer)


def test_a_login_is_tried_again_only_with_hope() -> None:
    offer, stale = ['Digest realm="x", nonce="n"'], ['Digest realm="x", nonce="n", stale=TRUE']
    login = Login("anna", "secret")
    assert login.refused(offer), "nothing was sent"
    assert not login.refused(offer), "it was wrong"
    assert login.refused(stale), "only the nonce was wrong"
    login.accepted("")
    assert login.refused(offer), "it was right a moment ago: nonces end without a word"
    assert not login.refused(offer)


@given(
    user=st.text(st.characters(codec="ascii", categories=("L", "N", "S", "Pd", "Po"), exclude_characters='"\\:')),
    password=st.text(st.characters(codec="utf-8")),
    scheme=st.sampled_from([(), ("SHA-256",)]),
)
def test_any_password_lets_us_in(user: str, password: str, scheme: tuple[str, ...]) -> None:
    door = Doorkeeper(user, password, scheme, basic=not scheme)
    login = Login(user, password)
    login.refused([line.partition(": ")[2] for line in door.admit("GET", "/", {})[0]])
    assert door.admit("GET", "/", {"authorization": str(login.answer("GET", "/"))}) == ([], [])


@given(
    password=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"))),
    algorithm=st.sampled_from([None, "MD5"]),
    qop=st.sampled_from([None, "auth"]),
    target=st.sampled_from(["/", "/cgi-bin/mjpg/video.cgi?channel=1&subtype=1", "/a%20b?q=%2F"]),
)
def test_urllib_answers_as_we_do(password: str, algorithm: str | None, qop: str | None, target: str) -> None:
    parts = ['realm="a cam"', f'nonce="{NONCE}"', 'opaque="o"']
    parts += [f"algorithm={algorithm}"] if algorithm else []
    parts += [f'qop="{qop}"'] if qop else []
    passwords = HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, "http://cam/", "anna", password)
    handler = AbstractDigestAuthHandler(passwords)
    challenge = {"realm": "a cam", "nonce": NONCE, "opaque": "o"}
    challenge |= {"algorithm": algorithm} if algorithm else {}
    challenge |= {"qop": qop} if qop else {}
    theirs = fields("Digest " + str(handler.get_authorization(Request(f"http://cam{target}"), challenge)))
    login = Login("anna", password, lambda: theirs.get("cnonce", ""))
    login.refused(["Digest " + ", ".join(parts)])
    ours = fields(login.answer("GET", target))
    assert ours.items() >= (theirs.items() - {("algorithm", "MD5")})


@pytest.mark.parametrize(
    "door",
    [
        Doorkeeper("anna", "p:a@%ss", ("MD5",)),
        Doorkeeper("anna", "p:a@%ss", (None,), qop=None, opaque=None),
        Doorkeeper("anna", "p:a@%ss", ("SHA-256", "MD5"), uses=1),
        Doorkeeper("anna", "p:a@%ss", ("MD5-sess",)),
        Doorkeeper("anna", "p:a@%ss", ("MD5",), basic=True),
    ],
    ids=["md5", "rfc2069", "sha256", "sess", "both"],
)
async def test_the_tests_own_door_opens_for_curl(door: Doorkeeper) -> None:
    async with HttpCam([jpeg()], door=door) as camera:
        for password, status in (("p:a@%ss", "200"), ("wrong", "401")):
            curl = await asyncio.create_subprocess_exec(
                *("curl", "-s", "--digest", "-u", f"anna:{password}", "-o", "-", "-w", "%{stderr}%{http_code}"),
                camera.still,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            body, told = await curl.communicate()
            assert told.decode() == status
            assert (body == jpeg()) == (status == "200")
