"""The command ``vacc``."""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from vacc_client import profiles
from vacc_client.dashboard import Answer, Dashboard, Job, Output
from vacc_client.errors import ClientError, Exit

out, err = Console(highlight=False, markup=False), Console(stderr=True, highlight=False)
_GATE = {"met": Exit.YES, "not_met": Exit.NOT_MET}
_PARITY = {0: Exit.YES, 2: Exit.NOT_MET}
_PARITY_COLUMNS = ("name", "base %", "result %", "difference", "verdict")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--profile", envvar="VACC_PROFILE", default="", help="Stored dashboard to use.")
@click.version_option(package_name="vacc-client")
@click.pass_context
def vacc(context: click.Context, profile: str) -> None:
    """Launch, follow and gate jobs of a VACC dashboard.

    Exit codes: 0 yes, 1 job failed, 2 bad usage, 3 gate not met, 4 cannot tell, 5 refused by the
    dashboard, 6 not reachable, 7 damaged download.
    """
    context.obj = profile


def command(function: Callable[..., None]) -> click.Command:
    """Add a command that gets a Dashboard and ``as_json``."""

    @functools.wraps(function)
    def run(**values: Any) -> None:
        profile = click.get_current_context().obj
        function(Dashboard(*profiles.access(profile)), **values)

    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return vacc.command(function.__name__.rstrip("_"))(as_json(run))


def main() -> NoReturn:
    """Run the command; exit with a code of ``Exit``."""
    try:
        vacc()
    except ClientError as error:
        err.print(f"Error: {error}", style="red", markup=False)
        sys.exit(error.exit_code)
    except OSError as error:
        err.print(f"Error: {error}", style="red", markup=False)
        sys.exit(Exit.USAGE)
    sys.exit(Exit.YES)


# Printing


def show_json(answer: Any) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def show_rows(rows: Iterable[Mapping[str, Any]], *columns: str) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        values = (row.get(name) for name in columns)
        table.add_row(*("" if value is None else str(value) for value in values))
    out.print(table)


def params_of(values: Iterable[str]) -> Answer:
    """Return ``NAME=VALUE`` texts as params; a value that is JSON is taken as such."""
    found: Answer = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--param")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def end_of(job: Job) -> Exit:
    return Exit.YES if job["state"] == "succeeded" else Exit.JOB_FAILED


def finish(code: int) -> NoReturn:
    raise click.exceptions.Exit(code)


_params = click.option("--param", "-p", "params", multiple=True, metavar="NAME=VALUE")
_host = click.option("--host", default="this-computer", show_default=True)


def _statement(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a parity statement, which are the parameters of the API."""
    options = {
        "base": "Baseline, such as res-15.",
        "base-counts": "Correct answers of each data set: 154/159,933/976.",
        "counts": "Those of the result, for the same sets.",
        "sets": "Names of the data sets of counts, with commas.",
        "base-title": "Name of the baseline of counts.",
        "title": "Name of the result of counts.",
        "margin": "Points; default: 1.",
        "goal": "at_least or same; default: the usual one.",
        "planned": "Questions of a run that stops early.",
    }
    for name, about in reversed(options.items()):
        function = click.option(f"--{name}", default="", help=about)(function)
    return function


# Commands


@vacc.command()
@click.argument("url")
@click.option("--token", envvar="VACC_TOKEN", prompt=True, hide_input=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--profile", "own", default="", help="Name to store the dashboard under.")
@click.pass_obj
def login(profile: str, *, url: str, token: str, as_json: bool, own: str) -> None:
    """Check an address and a token, and store both. Create a token on the page API tokens."""
    dashboard = Dashboard(url, token)
    name, caller = own or profile or "default", dashboard.me()
    where = profiles.save(name, profiles.Access(dashboard.url, token))
    if as_json:
        show_json({**caller, "profile": name, "token": where})
    else:
        out.print(f"{caller['name']}, scope {caller['scope']}. Profile {name}, token in {where}.")


@command
def hosts(dashboard: Dashboard, *, as_json: bool) -> None:
    """List hosts."""
    found = dashboard.hosts()
    if as_json:
        return show_json(found)
    rows = ({**one, "state": "away" if one["away"] else "online"} for one in found["hosts"])
    show_rows(rows, "name", "type", "slots", "state")


@command
def models(dashboard: Dashboard, *, as_json: bool) -> None:
    """List models."""
    found = dashboard.models()
    show_json(found) if as_json else show_rows(found["models"], "id", "name")


@command
@click.argument("kind", default="")
@_host
def kinds(dashboard: Dashboard, *, kind: str, host: str, as_json: bool) -> None:
    """List job types, or the fields of one."""
    found = dashboard.kinds(kind, host)
    if as_json:
        show_json(found)
    elif kind:
        show_rows(found["fields"], "name", "label", "default", "limit")
    else:
        show_rows(found["job_types"], "name", "title", "family")


@command
@click.argument("kind")
@_host
@_params
def plan(
    dashboard: Dashboard, *, kind: str, host: str, params: tuple[str, ...], as_json: bool
) -> None:
    """Print the script of a launch, which runs nothing."""
    found = dashboard.plan(kind, host, params_of(params))
    show_json(found) if as_json else click.echo(found["script"])


@command
@click.argument("kind")
@_host
@_params
@click.option("--wait", is_flag=True, help="Wait for the end; exit 1 unless it succeeds.")
@click.option("--key", default="", help="Idempotency key: one key launches one job in 24 hours.")
@click.option("--confirm", multiple=True, metavar="CHECK", help="Confirm a check's warning.")
def launch(
    dashboard: Dashboard,
    *,
    kind: str,
    host: str,
    params: tuple[str, ...],
    wait: bool,
    key: str,
    confirm: tuple[str, ...],
    as_json: bool,
) -> None:
    """Launch a job."""
    job = dashboard.launch(kind, host, params_of(params), key=key, confirm=confirm or None)
    if wait:
        job = _waited(dashboard, job)
    if as_json:
        show_json(job)
    else:
        out.print(f"Job {job['id']}: {job['state']} {job['message']}".rstrip())
    finish(end_of(job) if wait else Exit.YES)


def _waited(dashboard: Dashboard, job: Job) -> Job:
    """Wait for the end of a job behind a bar on stderr."""
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}")
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        bar = bars.add_task(f"Job {job['id']}", total=None, text="")

        def seen(now: Job) -> None:
            step = now.get("progress") or {}
            bars.update(bar, completed=step.get("done", 0), total=step.get("total"))
            bars.update(bar, text=now["state"])

        return dashboard.wait(job["id"], seen=seen)


@command
@click.argument("job", type=int)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="First byte.")
def follow(dashboard: Dashboard, *, job: int, start: int, as_json: bool) -> None:
    """Print the log of a job as it grows; exit 1 unless the job succeeds."""
    for event in dashboard.follow(job, log_from=start):
        if as_json:
            click.echo(json.dumps({"event": event.name, **event.data}, ensure_ascii=False))
        elif event.name == "log":
            # Not click.echo: it drops escape sequences where stdout is no terminal.
            sys.stdout.buffer.write(event.data["text"].encode())
            sys.stdout.buffer.flush()
    finish(end_of(dashboard.job(job)))


@command
@click.argument("job", type=int)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="First byte.")
@click.option("--plain", is_flag=True, help="Without escape sequences and earlier updates.")
def log(dashboard: Dashboard, *, job: int, start: int, plain: bool, as_json: bool) -> None:
    """Print the log of a job, byte for byte."""
    pieces = dashboard.log(job, start=start, plain=plain)
    if as_json:
        return show_json({"from": start, "text": b"".join(pieces).decode(errors="replace")})
    for piece in pieces:
        sys.stdout.buffer.write(piece)


@command
@click.option("--filter", "-f", "filters", multiple=True, metavar="NAME=VALUE")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
def results(dashboard: Dashboard, *, filters: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List results, latest first; -f model=ID, type=benchmark, job=17 and others filter."""
    found = dashboard.results(**{"limit": limit, **params_of(filters)})
    columns = "id", "type", "model", "label", "what", "host", "job"
    if as_json:
        show_json(found)
    else:
        show_rows(found["results"], *columns)


@command
@click.argument("results", nargs=-1, required=True)
def compare(dashboard: Dashboard, *, results: tuple[str, ...], as_json: bool) -> None:
    """Compare results; the first is the baseline. res-11,res-12 are repeats."""
    found = dashboard.compare(results)
    if as_json:
        return show_json(found)
    out.print(found["text"])
    heads = [f"{index} {one['name']}" for index, one in enumerate(found["columns"], start=1)]
    table: list[dict[str, str]] = []
    for row in found["metrics"]:
        cells = (_cell(cell) for cell in row["columns"])
        table.append({"metric": row["metric"], **dict(zip(heads, cells, strict=True))})
    show_rows(table, "metric", *heads)


def _cell(cell: Answer) -> str:
    value, verdict = cell["value"], (cell["change"] or {}).get("verdict")
    return "–" if value is None else f"{value:.6g}" + (f" {verdict}" if verdict else "")


@command
@click.argument("results", nargs=-1)
@_statement
@click.option("--gate", "gated", is_flag=True, help="Exit by the verdict: 0, 3 or 4.")
def parity(
    dashboard: Dashboard,
    *,
    results: tuple[str, ...],
    base: str,
    base_counts: str,
    counts: str,
    gated: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """State whether an evaluation is as accurate as its baseline.

    Verdicts on several RESULTS are corrected for their number. Counts need no result.
    """
    given = {name: value for name, value in asked.items() if value}
    if not results and base_counts and counts and not base:
        found = dashboard.parity_of_counts(base_counts, counts, **given)
    elif not results or not base or base_counts or counts:
        raise click.UsageError("Name a RESULT and --base, or --base-counts and --counts.")
    elif len(results) == 1:
        found = dashboard.parity(base, results[0], **given)
    else:
        found = dashboard.candidates(base, results, **given)
    show_json(found) if as_json else _show_parity(found)
    finish(_PARITY.get(found["exit_code"], Exit.CANNOT_TELL) if gated else Exit.YES)


def _show_parity(found: Answer) -> None:
    """Print the verdict, and a line for each data set or candidate."""
    out.print(found["text"])
    if "candidates" in found:
        each = [(one["alone"]["result"]["name"], one, one["alone"]) for one in found["candidates"]]
        shown = [(name, one["verdict"], alone["pooled"]) for name, one, alone in each]
        warned = [(name, one) for name, _one, alone in each for one in alone["warnings"]]
    else:
        rows = [*found["sets"], *found["groups"]]
        rows += [found["pooled"]] if found["pooled"] and len(found["sets"]) > 1 else []
        shown = [(row["name"], row["verdict"], row) for row in rows]
        warned = [("", one) for one in found["warnings"]]
    show_rows((_parity_row(*one) for one in shown), *_PARITY_COLUMNS)
    for name, one in warned:
        out.print(": ".join(filter(None, ("warning", name, one["text"]))))
    if found.get("action"):
        out.print(found["action"])


def _parity_row(name: str, verdict: str, row: Answer | None) -> Answer:
    """Return accuracies in per cent, the difference in points with its 95 % interval."""
    if row is None:
        return {"name": name, "verdict": verdict}
    gap = [row[f"{key}_points"] for key in ("difference", "low", "high")]
    texts = (
        *(f"{100 * row[side]['accuracy']:.2f}" for side in ("base", "result")),
        "{:+.2f} [{:+.2f}, {:+.2f}]".format(*gap),
    )
    return dict(zip(_PARITY_COLUMNS, (name, *texts, verdict), strict=True))


@command
@click.argument("result")
@click.option("--baseline", required=True, help="Result, or repeats: res-11,res-12.")
@click.option("--max-loss", type=float, required=True, help="Per cent of speed, or points.")
@click.option("--metric", default="", help="Default: the main one.")
@click.option("--concurrency", type=int, help="Default: the highest common one.")
def gate(
    dashboard: Dashboard,
    *,
    result: str,
    baseline: str,
    max_loss: float,
    metric: str,
    concurrency: int | None,
    as_json: bool,
) -> None:
    """Gate a result: exit 0 met, 3 not met, 4 cannot tell."""
    found = dashboard.gate(
        result, baseline, max_loss=max_loss, metric=metric, concurrency=concurrency
    )
    show_json(found) if as_json else out.print(found["text"])
    finish(_GATE.get(found["verdict"], Exit.CANNOT_TELL))


@command
@click.argument("job", type=int)
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=".")
def download(dashboard: Dashboard, *, job: int, folder: Path, as_json: bool) -> None:
    """Download the outputs of a job, checked by SHA-256. An interrupted download continues."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        tasks: dict[int, Any] = {}

        def seen(one: Output, more: int) -> None:
            if one["id"] not in tasks:
                tasks[one["id"]] = bars.add_task(one["name"], total=one["bytes"])
            bars.advance(tasks[one["id"]], more)

        paths = [str(path) for path in dashboard.download(job, folder, seen=seen)]
    show_json({"files": paths}) if as_json else click.echo("\n".join(paths))


@command
@click.argument("results", nargs=-1)
@_statement
@click.option("--matrix", type=int, multiple=True, help="Matrix; several are compared.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--language", type=click.Choice(["en", "zh"]))
@click.option("--format", type=click.Choice(["html", "md", "csv"]))
@click.option("--profile", type=click.Choice(["internal", "customer"]), help="Readers.")
@click.option("--customer", default="", help="Name of the customer.")
@click.option("--include", multiple=True, help="For a customer, too: notes, people, hosts, …")
@click.option("--heading", default="", help="Title; default: the conclusion.")
@click.option("--summary", default="", help="Own text before the conclusion.")
@click.option("--names", multiple=True, help="Own name of a column; repeat it.")
@click.option("--devices", multiple=True, help="Own name of its device; repeat it.")
@click.option("--per", default="", help="Unit of throughput: total, die, card, server, watt.")
@click.option("--level", default="", help="Service level of one result.")
@click.option("--concurrency", type=int, help="Compared concurrency.")
@click.option("--metric", default="", help="Number of each cell of a matrix.")
def report(
    dashboard: Dashboard,
    *,
    results: tuple[str, ...],
    matrix: tuple[int, ...],
    output: Path,
    as_json: bool,
    **asked: Any,
) -> None:
    """Save a report.

    Of one result, of a comparison of several RESULTS or groups (res-11,res-12), of matrices, or
    with --base or counts of a parity statement. Options are the parameters of the API.
    """
    is_parity = bool(asked["base"] or asked["base_counts"] or asked["counts"])
    if (bool(results) or is_parity) == bool(matrix):
        raise click.UsageError("Name RESULTS, --matrix, or --base-counts and --counts.")
    records: dict[str, Any]
    if matrix:
        kind, records = "matrices" if len(matrix) > 1 else "matrix", {"id": matrix}
    elif is_parity:
        kind, records = "parity", {"id": ";".join(results)}
    elif len(results) == 1 and "," not in results[0]:
        kind, records = "result", {"id": results}
    else:
        is_grouped = any("," in one for one in results)
        kind, records = "comparison", {"group" if is_grouped else "id": results}
    output.write_bytes(dashboard.report(kind, **asked, **records))
    show_json({"file": str(output)}) if as_json else click.echo(output)


@command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would be imported.")
def import_(dashboard: Dashboard, *, file: Path, dry_run: bool, as_json: bool) -> None:
    """Import results that others measured: one file, a .zip or a .tar.gz."""
    found = dashboard.import_results(file, dry_run=int(dry_run))
    show_json(found) if as_json else show_rows(found["results"], "result", "type", "what")


@command
@click.argument("engine")
@click.argument("prompt")
@click.option("--conversation", type=int, help="Continue this conversation.")
@click.option("--max-tokens", type=int, default=2048, show_default=True)
def chat(
    dashboard: Dashboard,
    *,
    engine: str,
    prompt: str,
    conversation: int | None,
    max_tokens: int,
    as_json: bool,
) -> None:
    """Ask a deployment's number or endpoint:2; exit 1 unless it answers."""
    turn = dashboard.chat(engine, prompt, conversation=conversation, max_tokens=max_tokens)
    show_json(turn) if as_json else click.echo(turn["answer"] or turn["message"])
    finish(Exit.YES if turn["state"] == "done" else Exit.JOB_FAILED)


@vacc.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion of a shell: eval "$(vacc completion bash)"."""

    found = get_completion_class(shell)
    if found is None:
        raise ClientError(f"No completion for {shell}.")
    click.echo(found(vacc, {}, "vacc", "_VACC_COMPLETE").source())
