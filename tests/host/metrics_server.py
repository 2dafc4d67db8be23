"""A server that answers with Prometheus counters."""

METRICS_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(b'# HELP a b\\na{x="} 9"} 1\\na{x="2"} 2.5\\nb 7\\na_total 4\\n')
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
