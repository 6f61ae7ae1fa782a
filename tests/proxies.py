"""proxies.py -- Debian's nginx and HAProxy before a campus, as an operator would set them up: connections to it kept alive and
shared, clients' addresses told on. Each has a folder of its own and a port that it inherits from the test."""

import re
import socket
import subprocess

import harness

# One process, one thread: what comes one after another goes up over the same connection.
NGINX = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    log_format requests 'request to=$upstream_addr id=$http_x_request_id';
    access_log /dev/stdout requests;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    client_max_body_size 16m;
    upstream campus {{
        server 127.0.0.1:{upstream};
        keepalive 8;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://campus;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 256
    nbthread 1
    log stdout format raw local0
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    option forwardfor
frontend front
    bind fd@{fd}
    capture request header X-Request-Id len 64
    log global
    log-format 'request to=%si:%sp id=%[capture.req.hdr(0)]'
    default_backend campus
backend campus
    http-reuse always
    server campus 127.0.0.1:{upstream}
"""


class Proxy:
    """A proxy of this `name` before `campus`. As a context manager it is started and ended."""

    def __init__(self, name, campus):
        self.name = name
        self.campus = campus
        self.folder = harness.new_folder()
        self.log_path = self.folder / f"{name}.log"
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.child = None

    def __enter__(self):
        fd = self.sock.fileno()
        text, command, environment = {
            "nginx": (NGINX, ["/usr/sbin/nginx", "-g", "daemon off;", "-c"], {"NGINX": f"{fd};"}),
            "haproxy": (HAPROXY, ["/usr/sbin/haproxy", "-db", "-f"], {}),
        }[self.name]
        config = self.folder / "config"
        config.write_text(text.format(folder=self.folder, port=self.port, upstream=self.campus.port, fd=fd))
        with self.log_path.open("ab") as log:
            harness.give(self.log_path)
            self.child = subprocess.Popen(harness.as_user([*command, config]), stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, cwd=self.folder, env=environment, pass_fds=[fd])
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()
        self.sock.close()

    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def passed_on(self):
        """The X-Request-Id, or "-", of each request that it took for one and sent on."""
        return re.findall(rf"^request to=127\.0\.0\.1:{self.campus.port} id=(\S*)", self.log(), re.M)

    def client(self, key=None):
        return harness.Client("127.0.0.1", self.port, key)
