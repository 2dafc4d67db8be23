"""Three results of one measurement, with points and requests: prints the number of the last."""

SEED = """
from jobs.models import PointRequests
from tests.measuring import make_measuring_host, measured, served, SERVE
host = make_measuring_host("va16")
for argv, factor in ((SERVE, 1.0), ((*SERVE, "--flash-attention"), 0.8)):
    deployment = served(host, argv, stack="guide", tp=8)
    for rate in (21.5, 21.6, 21.4):
        points = ((1, factor * rate), (16, 10 * factor * rate))
        more = {"tpot_p50_ms": 20.0, "tpot_p90_ms": 25.0}
        result = measured(deployment, points=points, more=more)
for point in result.points.all():
    PointRequests.objects.create(point=point, rows=[[9.0 + n, 2.0, 0.1] for n in range(50)])
print(result.pk)
"""
