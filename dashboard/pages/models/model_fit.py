"""The fit table of a model as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.catalog import ZooModel
from jobs.catalog.fit import Fit, fits

TOKENS = 32768
TPS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class FitRow:
    """One line: gigabytes of one die."""

    precision: str
    tp: int
    weights: str
    kv: str
    free: str
    fits: bool
    weights_formula: str
    kv_formula: str
    kv_token_formula: str


def fit_rows(model: ZooModel, tokens: int = TOKENS) -> list[FitRow]:
    """Every precision that some way of the model offers, at every tp that it offers there."""
    rows: dict[tuple[str, int], FitRow] = {}
    for way in model.paths.values():
        offered = [tp for tp in TPS if tp in way.tp]
        for row in fits(model, tokens=tokens, tps=offered, precisions=list(way.precisions)):
            rows.setdefault((row.precision, row.tp), _row(row))
    return list(rows.values())


def _row(row: Fit) -> FitRow:
    return FitRow(
        precision=row.precision,
        tp=row.tp,
        weights=f"{row.weights_bytes / 1e9:.1f}",
        kv=f"{row.kv_bytes / 1e9:.1f}",
        free=f"{row.free_bytes / 1e9:.1f}".replace("-", "\N{MINUS SIGN}"),
        fits=row.fits,
        weights_formula=row.weights_formula,
        kv_formula=row.kv_formula,
        kv_token_formula=row.kv_token_formula,
    )
