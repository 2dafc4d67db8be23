"""Points of a benchmark, some with failed requests."""


def point(concurrency, rate, **more):
    return concurrency, {"output_tokens_per_s": rate, "ttft_p50_ms": 1000 / rate, **more}


SOME_FAILED = {
    "points": [
        point(1, 50.0, requests=10, failed_requests=2),
        point(2, 70.0, requests=12, failed_requests=0),
        point(4, 90.0, requests=12, failed_requests=0),
    ],
    "metrics": point(
        *(4, 90.0), requests=12, failed_requests=0, requests_all=34, failed_requests_all=2
    )[1],
}
