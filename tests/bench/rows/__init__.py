"""The rows, written out: a new one is a module and a name here."""

from tests.bench.harness import BenchRow
from tests.bench.rows import (
    chart,
    intake,
    launcher,
    lists,
    live_log,
    live_log_paced,
    log_reads,
    organised,
    playground,
    queue,
    reader,
    relay,
    start,
    viewer,
)

# In the order of the table in docs/performance.md.
ROWS: dict[str, BenchRow] = {
    row.NAME: row
    for row in (
        live_log,
        live_log_paced,
        launcher,
        intake,
        log_reads,
        lists,
        organised,
        start,
        queue,
        relay,
        viewer,
        chart,
        playground,
        reader,
    )
}
