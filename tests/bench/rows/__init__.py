"""The rows, written out: a new one is a function with ``@row`` and a name here."""

from tests.bench.rows import browser, carrying, chat, lists, logs

# In the order of the table in docs/performance.md.
ROWS = {
    row.name: row
    for row in (
        *(logs.live_log, logs.live_log_paced, logs.launcher, logs.intake, logs.log_reads),
        *(lists.lists, browser.organised, browser.start, logs.queue),
        *(chat.relay, browser.viewer, browser.chart, browser.playground, browser.reader),
        *(carrying.idle, carrying.memory),
    )
}

# By name only: the gateway beside the relay, and both beside programs installed for it.
PEERS = {
    row.name: row
    for row in (chat.gateway, chat.through_litellm, chat.through_nginx, logs.beside_prefect)
}
