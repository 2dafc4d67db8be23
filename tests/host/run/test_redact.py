"""A secret that a tool prints never leaves the host."""

import json
import stat
from base64 import b64encode, urlsafe_b64encode
from binascii import hexlify
from hashlib import sha256
from urllib.parse import quote, quote_plus

import pytest

from jobs.host.base import spool as spools
from jobs.host.retain import Adopter
from jobs.host.run import redact as redact_module
from jobs.host.run.redact import forms, redact, unfinished
from jobs.host.ship import Shipper
from jobs.plans import Output, Step
from tests.host.conftest import kill_launcher, record_of
from tests.waiting import PATIENCE_S, until

TOKEN = "hf_0123456789"
STARS = b"*" * len(TOKEN)
ODD = 'p@ss/w+rd"é 好?x~'  # every encoding changes it


@pytest.mark.parametrize("block", [1, 7, 13, 1024])
def test_every_secret_is_overwritten_and_nothing_moves(tmp_path, monkeypatch, block):
    monkeypatch.setattr(redact_module, "BLOCK", block)
    path = tmp_path / "log"
    path.write_bytes(b"a secret1 b\0secret1secret22 secre")

    redact(path, [b"secret1", b"secret22"])

    assert path.read_bytes() == b"a ******* b\0*************** secre"


def test_bytes_before_the_start_are_left(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"secret1 secret1")

    redact(path, [b"secret1"], start=3)

    assert path.read_bytes() == b"secret1 *******"


@pytest.mark.parametrize(
    ("tail", "length"), [(b"x", 0), (b"x s", 1), (b"secret", 6), (b"secret1", 0), (b"", 0)]
)
def test_a_tail_that_may_begin_a_secret_is_recognised(tail, length):
    assert unfinished(tail, [b"secret1"]) == length


def coded(secret):
    """Ways in which tools print a secret, by name."""
    whole = secret.encode()
    basic = {
        f"basic-{user}": b"Authorization: Basic " + b64encode(user.encode() + b":" + whole)
        for user in ("", "a", "ab", "abc")
    }
    around = {
        f"base64-{before}-{after}": b64encode(b"<" * before + whole + b">" * after)
        for before in range(3)
        for after in range(3)
    }
    return {
        "literal": whole,
        "json": json.dumps(secret).encode(),
        "json-utf8": json.dumps(secret, ensure_ascii=False).encode(),
        "url": f"https://hub/?token={quote(secret, safe='')}&x=1".encode(),
        "url-small": quote(secret, safe="").lower().encode(),
        "url-path": quote(secret).encode(),
        "url-plus": quote_plus(secret).encode(),
        "base64-url": urlsafe_b64encode(b"??" + whole + b">>>"),
        "hex": b"0x" + whole.hex().encode(),
        "hex-capital": whole.hex().upper().encode(),
        "base64-in-url": quote(b64encode(b"?" + whole), safe="").encode(),
        **around,
        **basic,
    }


def traces(secret):
    """Pieces of every form: none may be left."""
    return {form[at : at + 6] for form in forms([secret]) for at in range(len(form) - 5)}


@pytest.mark.parametrize("secret", [TOKEN, ODD])
@pytest.mark.parametrize("block", [1, 40, redact_module.BLOCK])
def test_a_secret_is_found_in_each_encoding_and_nothing_moves(tmp_path, monkeypatch, secret, block):
    monkeypatch.setattr(redact_module, "BLOCK", block)
    path, pieces = tmp_path / "log", traces(secret)
    for name, text in coded(secret).items():
        path.write_bytes(b"before " + text + b" after\n")

        redact(path, forms([secret]))

        left = path.read_bytes()
        assert len(left) == len(text) + len(b"before  after\n"), name
        assert left.startswith(b"before ") and left.endswith(b" after\n"), name
        assert b"*******" in left, name
        assert not [piece for piece in pieces if piece in left], name


@pytest.mark.parametrize("secret", [TOKEN, ODD])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("coded", [b64encode, urlsafe_b64encode, hexlify])
def test_a_secret_that_a_tool_wraps_is_found(tmp_path, secret, coded, newline):
    path, pieces = tmp_path / "log", traces(secret)
    for before in range(40, 64):
        whole = coded(b"<" * before + secret.encode() + b">" * 60)
        lines = [whole[at : at + 60] for at in range(0, len(whole), 60)]
        path.write_bytes(b"before\n" + newline.join(lines) + newline + b"after\n")
        size = path.stat().st_size

        redact(path, forms([secret]))

        left = path.read_bytes()
        assert (len(left), left.count(b"\n")) == (size, len(lines) + 2), before
        assert not [piece for piece in pieces if piece in left.translate(None, b"\r\n")], before


def test_a_wrapped_secret_waits_wherever_a_chunk_ends_and_a_line_of_text_never():
    looked_for = forms([TOKEN])
    for form in looked_for:
        for split in range(1, len(form) - 1):
            tail = b"A" * 60 + form[:split] + b"\r\n"
            assert unfinished(tail, looked_for) >= split + 2
            assert unfinished(tail + form[split : split + 1], looked_for) >= split + 3
    assert unfinished(b"done " + TOKEN[:4].encode() + b"\n", looked_for) == 0


def test_other_text_is_left_as_it_is(tmp_path):
    text = b64encode(b"nothing of it") + b" " + quote("p@ss/other").encode() + b" hf_0123\n"
    path = tmp_path / "log"
    path.write_bytes(text)

    redact(path, forms([TOKEN, ODD]))

    assert path.read_bytes() == text


@pytest.mark.parametrize("secret", [TOKEN, ODD])
def test_the_beginning_of_each_form_waits_wherever_a_chunk_ends(secret):
    looked_for = forms([secret])
    for form in looked_for:
        for split in range(1, len(form)):
            assert unfinished(b"x " + form[:split], looked_for) >= split
        assert unfinished(form + b"\n", looked_for) == 0


@pytest.fixture
def shipping(make_spool, client, intake):
    """A job with a secret, which is shipped while its log grows."""

    def make(secret):
        record = intake.jobs[1] = record_of("true")
        spool = make_spool("true", instance=intake.instance, token=record.token)
        spool.keep_secrets({"HF_TOKEN": secret})
        return spool, record, Shipper(spool, client)

    return make


def test_of_secrets_that_a_power_cut_tore_nothing_is_shipped(shipping):
    spool, record, shipper = shipping(TOKEN)
    (spool.path / "secrets.json").write_bytes(b"")
    spool.log.write_bytes(TOKEN.encode())

    with pytest.raises(spools.UNREADABLE):
        shipper.round()
    assert record.log == b""


@pytest.mark.parametrize("secret", [TOKEN, ODD])
@pytest.mark.parametrize("name", ["literal", "url", "base64-1-1", "basic-ab"])
def test_what_is_shipped_at_any_point_holds_no_part_of_a_secret(shipping, secret, name):
    """The log is looked at after each byte of the secret in turn."""
    spool, record, shipper = shipping(secret)
    text, pieces, written = coded(secret)[name], traces(secret), 0

    for split in range(1, len(text)):
        for part in (b" " + text[:split], text[split:] + b"\n"):
            with spool.log.open("ab") as file:
                written += file.write(part)
            shipper.round()
            assert not [piece for piece in pieces if piece in record.log]
    assert len(record.log) == written
    assert record.log == spool.log.read_bytes()


@pytest.fixture
def given(make_spool):
    """A job with a secret in the environment of its steps."""

    def make(command, **plan):
        env = (("HF_TOKEN", "{secret:HF_TOKEN}"),)
        spool = make_spool(Step("a", ("sh", "-c", command), env=env), **plan)
        spool.keep_secrets({"HF_TOKEN": TOKEN})
        return spool

    return make


@pytest.mark.processes
def test_a_step_is_given_its_secret_and_neither_log_nor_output_has_it(given, launch):
    command = "test $HF_TOKEN = hf_0123456789 && echo token $HF_TOKEN ok | tee out.txt"
    spool = given(command, outputs=(Output("out", "out.txt"),))

    launch(spool)

    text = b"token " + STARS + b" ok\n"
    assert spool.log.read_bytes() == (spool.work / "out.txt").read_bytes() == text
    ended = spool.exit()
    assert ended["log_sha256"] == ended["outputs"][0]["sha256"] == sha256(text).hexdigest()
    assert TOKEN not in spool.events.read_text()


@pytest.mark.processes
def test_no_file_of_a_host_has_a_secret_after_the_job(given, launch, host_dir):
    command = (
        "echo $HF_TOKEN >> out.txt; printf u:%s $HF_TOKEN | base64 >> out.txt;"
        "cat out.txt; cat out.txt >&2; exit 3"
    )
    spool = given(command, outputs=(Output("out", "out.txt"),))
    assert [p.name for p in having(host_dir)] == ["secrets.json"]

    launch(spool)

    assert having(host_dir) == []
    assert spool.log.stat().st_size == 2 * (spool.work / "out.txt").stat().st_size


def having(folder):
    """The files with any part of the secret, in any form."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [p for p in files if any(piece in p.read_bytes() for piece in traces(TOKEN))]


@pytest.mark.processes
def test_a_secret_on_disk_is_readable_by_this_user_alone(given, launch):
    spool = given("echo up; sleep 600")
    started = launch(spool, "--grace", "0.2", wait=False)
    until(lambda: spool.log.stat().st_size)
    path = spool.path / "secrets.json"

    assert json.loads(path.read_bytes()) == {"HF_TOKEN": TOKEN}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    spool.ask_cancel()
    started.wait(PATIENCE_S)
    assert not path.exists()


@pytest.mark.processes
def test_a_killed_launcher_leaves_no_secret_behind(given, launch, config):
    spool = given("echo $HF_TOKEN; sleep 600")
    launch(spool, wait=False)
    until(lambda: spool.log.stat().st_size)
    kill_launcher(spool)

    Adopter(config).adopt(spool)

    assert spool.log.read_bytes() == STARS + b"\n"
    assert spool.exit()["message_args"]["last_lines"] == STARS.decode()
    assert not (spool.path / "secrets.json").exists()


@pytest.mark.processes
def test_a_server_gets_the_secrets_of_its_job_and_prints_none(make_spool, launch, host_dir):
    env = (("API_KEY", "{secret:API_KEY}"),)
    job = make_spool(
        Step("serve", ("sh", "-c", "echo key $API_KEY; exit 3"), env=env, serves=True),
        "sleep 600",
        deployment={"id": 5, "token": "t-5", "run": 1},
        values={"serve_dir": str(host_dir / "serve" / "5")},
    )
    job.keep_secrets({"API_KEY": TOKEN})

    launch(job)

    assert job.exit()["message_args"]["last_lines"] == "key " + STARS.decode()
    server = spools.Spool(host_dir / "serve" / "5")
    assert server.log.read_bytes() == b"key " + STARS + b"\n"
    until(lambda: not (server.path / "secrets.json").exists())


@pytest.mark.parametrize("coded", [b64encode, hexlify])
def test_a_secret_that_comes_line_by_line_waits_through_many_looks(shipping, coded):
    (spool, record, shipper), pieces, begin = shipping(TOKEN), traces(TOKEN), 0
    for before in range(28, 46):
        whole = coded(b"<" * before + TOKEN.encode() + b">" * 60)
        for at in range(0, len(whole), 60):
            with spool.log.open("ab") as file:
                file.write(whole[at : at + 60] + b"\n")
            for _ in range(3):
                shipper.round()
                joined = record.log[begin:].translate(None, b"\n")
                assert not [piece for piece in pieces if piece in joined], before
        with spool.log.open("ab") as file:
            file.write(b"end of a line that nothing wraps\n")
        shipper.round()

        assert record.log == spool.log.read_bytes(), before
        begin = len(record.log)
