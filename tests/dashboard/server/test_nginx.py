"""A real nginx, configured as docs/run/large.md says, in front of a real web process."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest
from websockets.sync.client import connect

from tests.dashboard.lib.web_server import NAME, PASSWORD, Browser, running_web
from tests.stack import ROOT, free_port
from tests.waiting import PATIENCE_S, listens, until

pytestmark = pytest.mark.processes

HOST = "bench.lan"
# Of the whole configuration, around the part that the document has.
AROUND = """
daemon off;
pid {folder}/pid;
{user}
events {{}}
http {{
  access_log off;
  gzip on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {documented}
}}
"""


def find_nginx():
    """Its program; Debian's is in a folder that is not on everybody's PATH."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def documented(port, behind, folder):
    """The configuration of the document on free ports, with a certificate of the test."""
    text = (ROOT / "docs/run/large.md").read_text()
    block, files = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    block = block.replace("  client_header_timeout", f"{files}  client_header_timeout")
    for old, new in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{behind}",
        "/opt/bench/data": f"{folder}/data",
        "/etc/ssl/bench.pem": f"{folder}/bench.pem",
        "/etc/ssl/bench.key": f"{folder}/bench.key",
    }.items():
        assert old in block
        block = block.replace(old, new)
    return block


@contextlib.contextmanager
def running_nginx(program, folder, port, behind):
    """Start it with a certificate of its own and wait until it listens."""
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    certificate += ["-subj", f"/CN={HOST}", "-keyout", "bench.key", "-out", "bench.pem"]
    subprocess.run(certificate, cwd=folder, check=True, capture_output=True)
    user = "user root;" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    whole = AROUND.format(folder=folder, user=user, documented=documented(port, behind, folder))
    config.write_text(whole)
    errors = folder / "error.log"
    process = subprocess.Popen([program, "-p", folder, "-c", config, "-e", errors])
    try:
        until(lambda: listens(port) or process.poll() is not None, "nginx listens")
        assert process.poll() is None, errors.read_text()
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


class Site:
    def __init__(self, server, port):
        self.server, self.port = server, port
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.origin = f"https://{HOST}:{port}"

    def browser(self, source="127.0.0.1"):
        headers = {"Host": f"{HOST}:{self.port}", "Referer": f"{self.origin}/login/"}
        return Browser(self.port, source, headers, self.tls)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    program = find_nginx()
    if program is None or shutil.which("openssl") is None:
        if os.environ.get("REQUIRE_NGINX") == "1":
            pytest.fail("REQUIRE_NGINX=1, and there is no nginx with openssl")
        pytest.skip("no nginx with openssl: apt install nginx openssl")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    (folder / "data").mkdir()
    environ = {"PUBLIC_URL": f"https://{HOST}:{port}", "TRUSTED_PROXIES": "127.0.0.1"}
    environ["NGINX_FILES"] = "/nginx-files/"
    with (
        running_web(folder / "data", environ=environ) as server,
        running_nginx(program, folder, port, server.port),
    ):
        yield Site(server, port)


def test_a_person_logs_in_through_nginx(site):
    browser = site.browser()

    assert browser.log_in(PASSWORD).status == 302
    page = browser.ask("/jobs/")
    assert (page.status, page.headers["cache-control"]) == (200, "private, no-store")
    assert page.headers["strict-transport-security"] == "max-age=31536000"


def test_a_compressed_page_arrives_as_it_is(site):
    page = site.browser().ask("/login/", headers={"Accept-Encoding": "gzip"})

    assert page.headers["content-encoding"] == "gzip"
    assert "content-length" in page.headers  # nginx's own gzip sends none


def test_forged_addresses_do_nothing_and_failures_lock_nobody_else_out(site):
    statuses = []
    for number in range(40):
        forged = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"}
        statuses.append(site.browser("127.0.0.9").log_in("wrong", name="f", headers=forged).status)
    assert statuses[:5] == [200] * 5
    assert statuses.count(200) < 20  # the machine's time between them lets some more in

    statuses = [site.browser("127.0.0.9").log_in("wrong", name=NAME).status for _ in range(9)]
    assert 429 in statuses
    assert site.browser("127.0.0.3").log_in(PASSWORD).status == 302


def test_forged_hosts_and_schemes_do_nothing(site):
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    browser = site.browser()
    browser.know(site.server)
    site.server.shell(
        "from tests.factories import make_job; from jobs.models import Host;"
        "[make_job(host=Host.objects.first(), state='failed') for _ in range(2)]"
    )

    answer = browser.ask("/api/v1/jobs?limit=1", headers=forged)

    assert answer.status == 200
    assert f'"next": "{site.origin}/api/v1/jobs?limit=1&before=' in answer.text


def test_an_unknown_host_is_refused(site):
    assert site.browser().ask("/login/", headers={"Host": "evil.example"}).status == 400


def test_nginx_sends_a_range_of_a_file_whose_reader_is_permitted(site):
    (output,) = site.server.shell(
        "from django.conf import settings; from jobs.models import Job, OutputFile;"
        f"job = Job.objects.get(pk={site.server.job});"
        "folder = settings.DATA_DIR / 'outputs' / str(job.pk);"
        "folder.mkdir(parents=True);"
        "(folder / 'a b%.json').write_bytes(b'0123456789');"
        "facts = dict(bytes=10, received_bytes=10, sha256='ab' * 32);"
        "print(OutputFile.objects.create(job=job, name='a', path='a b%.json', **facts).pk)"
    )
    path = f"/jobs/{site.server.job}/outputs/{output}"
    browser, stranger = site.browser(), site.browser()
    assert browser.log_in(PASSWORD).status == 302

    part = browser.ask(path, headers={"Range": "bytes=2-4"})
    etag = part.headers["etag"]
    rest = browser.ask(path, headers={"Range": "bytes=8-", "If-Range": etag})
    known = browser.ask(path, headers={"If-None-Match": etag})

    assert (part.status, part.text, rest.text, known.status) == (206, "234", "89", 304)
    assert part.headers["content-disposition"] == 'attachment; filename="a b%.json"'
    assert part.headers["x-content-type-options"] == "nosniff"
    assert part.headers["cache-control"] == "private, no-store"
    assert "x-accel-redirect" not in part.headers
    assert stranger.ask(path).status == 302
    place = f"/nginx-files/outputs/{site.server.job}/a%20b%25.json"
    assert browser.ask(place).status == 404


def test_a_log_arrives_over_its_socket(site):
    server = site.server
    server.logs.append(f"job/{server.job}", 0, b"one line\n")
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE_S) as connection,
        connect(
            f"wss://{HOST}:{site.port}/ws/log/job/{server.job}/",
            sock=connection,
            ssl=site.tls,
            server_hostname=HOST,
            origin=site.origin,
            additional_headers={"Cookie": server.cookie},
            open_timeout=PATIENCE_S,
        ) as page,
    ):
        assert page.recv(timeout=PATIENCE_S).endswith(b"one line\n")


def test_a_body_that_is_too_large_is_refused(site):
    answer = site.browser().ask("/login/", {"username": "x" * 100_000})

    assert (answer.status, "16384" in answer.text) == (413, True)
