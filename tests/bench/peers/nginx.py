"""nginx as Debian has it, a plain proxy without buffers: the lower bound of a relay.

It keeps no answer and knows no rights.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.peers import Gateway, serving
from tests.stack import free_port

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream engine {{
        server {engine};
        keepalive 128;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, engine: str) -> Iterator[Gateway]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        raise SystemExit("nginx is not measured: Debian's package nginx is not on this machine")
    config, port = folder / "nginx.conf", free_port()
    config.write_text(
        CONFIG.format(folder=folder, engine=engine.removeprefix("http://"), port=port)
    )
    url = f"http://127.0.0.1:{port}"
    command = [program, "-p", folder, "-e", folder / "error.log", "-c", config]
    with serving(command, folder, url) as pid:
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        yield Gateway("nginx", url, (pid, *map(int, workers)))
