"""Sign-ins are recognised by a signed cookie, and end by time, sign-out or a new token."""

import time

from orbit.auth.sign_ins import COOKIE_PREFIX, SignIn, SignIns

TOKEN = "the-administrators-own-token"


def sign_ins(folder, token=TOKEN, seconds=60.0):
    return SignIns(token, folder, seconds)


def test_all_workers_know_a_sign_in_and_its_end(tmp_path):
    one, other = sign_ins(tmp_path), sign_ins(tmp_path)
    sign_in = one.begin()
    cookie = one.cookie_of(sign_in)
    assert other.find(cookie) == sign_in
    assert other.csrf_token(sign_in) == one.csrf_token(sign_in)
    other.end(sign_in)
    assert one.find(cookie) is None


def test_a_new_admin_token_ends_all_sign_ins(tmp_path):
    cookie = sign_ins(tmp_path).cookie_of(sign_ins(tmp_path).begin())
    assert sign_ins(tmp_path).find(cookie) is not None
    assert sign_ins(tmp_path, "another-token-of-the-administrator").find(cookie) is None


def test_two_servers_on_one_host_do_not_take_each_others_cookies(tmp_path):
    assert sign_ins(tmp_path).cookie_name != sign_ins(tmp_path, "another-token").cookie_name


def test_a_sign_in_ends_by_itself(tmp_path):
    over = sign_ins(tmp_path, seconds=-1)
    assert over.find(over.cookie_of(over.begin())) is None


def test_no_byte_of_a_cookie_may_be_changed(tmp_path):
    signed = sign_ins(tmp_path)
    cookie = signed.cookie_of(signed.begin())
    for position, sign in enumerate(cookie):
        forged = cookie[:position] + ("A" if sign != "A" else "B") + cookie[position + 1 :]
        assert signed.find(forged) is None
    later = cookie.split(".")
    assert signed.find(f"{later[0]}.{int(later[1]) + 1}.{later[2]}") is None
    for nonsense in ("", ".", "..", cookie + "0", "é" * 22 + ".1." + "0" * 64, "../../etc/passwd.1." + "0" * 64):
        assert signed.find(nonsense) is None


def test_notes_of_ended_sign_ins_do_not_pile_up(tmp_path):
    short = sign_ins(tmp_path, seconds=0.2)
    for _ in range(5):
        short.end(short.begin())
    time.sleep(0.3)
    short.end(short.begin())
    assert len(list(tmp_path.iterdir())) == 1


def test_a_sign_in_lasts_as_long_as_it_was_given(tmp_path, monkeypatch):
    now = 1_000_000.5
    monkeypatch.setattr(time, "time", lambda: now)
    signed = sign_ins(tmp_path)
    sign_in = signed.begin()
    assert (sign_in.expires_at, signed.seconds_left(sign_in)) == (1_000_060, 60)
    cookie = signed.cookie_of(sign_in)
    now = 1_000_059.9
    assert signed.find(cookie) == sign_in
    now = 1_000_060.0
    assert signed.find(cookie) is None
    assert signed.seconds_left(sign_in) == 0
    now = 2_000_000.0
    assert signed.seconds_left(sign_in) == 0


def test_no_two_sign_ins_are_alike(tmp_path):
    signed = sign_ins(tmp_path)
    made = [signed.begin() for _ in range(50)]
    assert len({sign_in.id for sign_in in made}) == len({signed.csrf_token(sign_in) for sign_in in made}) == 50
    assert all(signed.csrf_token(sign_in) not in signed.cookie_of(sign_in) for sign_in in made)


def test_cookies_of_earlier_servers_stay_valid(tmp_path):
    """An update of the server signs nobody out."""
    signed = sign_ins(tmp_path)
    sign_in = SignIn("A" * 22, 99_999_999_999)
    assert signed.cookie_of(sign_in).startswith("A" * 22 + ".99999999999.b8faf5cb93c5")
    assert signed.cookie_name == COOKIE_PREFIX + "217139ec"
    assert signed.csrf_token(sign_in).startswith("90b56688d038")


def test_a_sign_out_is_recorded_for_the_owner_alone(tmp_path):
    folder = tmp_path / "a" / "signed-out"
    signed = sign_ins(folder)
    sign_in, other = signed.begin(), signed.begin()
    signed.end(sign_in)
    signed.end(sign_in)
    assert [note.name for note in folder.iterdir()] == [sign_in.id]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / sign_in.id).stat().st_mode & 0o777 == 0o600
    assert signed.find(signed.cookie_of(sign_in)) is None
    assert signed.find(signed.cookie_of(other)) == other
