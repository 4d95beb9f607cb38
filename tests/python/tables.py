"""Reads every table of a cohort with four readers: `tables.py DIRECTORY TABLE=ROWS...`; prints `ok` or fails."""

import sys
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow.parquet

STATISTICS = ["mean", "median", "sd", "sem", "ci95"]
# The contract: these columns, in this order, first.
COLUMNS = {
    "runs": ["experiment", "run", "seed", "training_id", "status"],
    "measures": ["experiment", "run", "seed", "estimator", "estimator_params", "split", "epoch", "layer", "i_xt", "i_ty"],
    "metrics": ["experiment", "run", "seed", "epoch", "split", "loss", "accuracy"],
    "gradients": [
        "experiment", "run", "seed", "split", "epoch", "layer", "grad_mean", "grad_std", "snr", "weight_norm",
    ],
    "aggregate": ["experiment", "estimator", "estimator_params", "split", "epoch", "layer", "n"]
    + [f"{quantity}_{name}" for quantity in ("i_xt", "i_ty") for name in STATISTICS],
    "dependence": [
        "experiment", "run", "seed", "measure", "params", "split", "epoch", "layer_a", "layer_b", "unit_a", "unit_b", "value",
    ],
    "provenance": [
        "training_id", "attempt", "status", "error", "host", "launcher", "started", "seconds", "version", "commit", "isa",
    ],
}
SETTINGS = ["dataset", "architecture", "activation_fn", "optimizer", "learning_rate", "batch_size", "epochs"]
KEY = ["experiment", "estimator", "estimator_params", "split", "epoch", "layer"]


def check_table(path, name, rows):
    expected = COLUMNS[name]
    with_pandas = pandas.read_parquet(path)
    with_polars = polars.read_parquet(path)
    with_arrow = pyarrow.parquet.read_table(path)
    with_duckdb = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    for reader, columns, count in [
        ("pandas", list(with_pandas.columns), len(with_pandas)),
        ("polars", with_polars.columns, len(with_polars)),
        ("pyarrow", with_arrow.column_names, with_arrow.num_rows),
        ("duckdb", with_duckdb.columns, len(with_duckdb)),
    ]:
        assert columns[: len(expected)] == expected, f"{name}, {reader}: columns {columns}"
        assert count == rows, f"{name}, {reader}: {count} rows, expected {rows}"
    for column in with_polars.columns:
        if with_polars[column].dtype in (polars.Float32, polars.Float64):
            assert not with_polars[column].is_nan().any(), f"{name}.{column} has NaN"
    # Equal values, whoever reads them; polars keeps nulls apart, so it is the one to compare with.
    assert polars.from_arrow(with_arrow).equals(with_polars), f"{name}: pyarrow and polars differ"
    assert with_duckdb.pl().equals(with_polars), f"{name}: duckdb and polars differ"
    metadata = with_arrow.schema.metadata or pyarrow.parquet.read_metadata(path).metadata
    assert any(b"schema_version" in key for key in metadata), f"{name}: no schema version in {metadata}"
    return with_pandas


def check_statistics(measures, aggregate):
    """pandas' own statistics over runs are those of the table."""
    groups = measures.groupby(KEY)
    ours = aggregate.set_index(KEY).sort_index()
    assert (groups.size().sort_index() == ours["n"]).all()
    for quantity in ("i_xt", "i_ty"):
        theirs = groups[quantity].agg(["mean", "median", "std", "sem"]).sort_index()
        for pandas_name, name in [("mean", "mean"), ("median", "median"), ("std", "sd"), ("sem", "sem")]:
            difference = (theirs[pandas_name] - ours[f"{quantity}_{name}"]).abs().max()
            assert difference < 1e-12, f"{quantity}_{name} differs by {difference}"
        # Three runs: Student's t with two degrees of freedom.
        half_width = (ours[f"{quantity}_ci95"] - 4.302652729749464 * ours[f"{quantity}_sem"]).abs().max()
        assert half_width < 1e-9, f"{quantity}_ci95 differs by {half_width}"


def check_dependence(table):
    """Layers have no units; every value lies where it must."""
    of_units = table["measure"] == "bspline"
    for unit in ("unit_a", "unit_b"):
        assert (table[unit].notna() == of_units).all(), f"{unit} where there is none, or none"
    correlations = table[~of_units]
    assert correlations["value"].between(0, 1).all() and (correlations["layer_a"] < correlations["layer_b"]).all()
    assert (table[of_units]["layer_a"] == table[of_units]["layer_b"]).all() and (table["value"] >= 0).all()
    assert set(correlations["layer_a"]) == {-1, 0, 1}


def main():
    directory = Path(sys.argv[1])
    tables = {}
    for argument in sys.argv[2:]:
        name, rows = argument.split("=")
        tables[name] = check_table(directory / f"{name}.parquet", name, int(rows))
    assert set(tables) == set(COLUMNS)
    missing = [setting for setting in SETTINGS if setting not in tables["runs"].columns]
    assert not missing, f"runs has no column {missing}"
    check_statistics(tables["measures"], tables["aggregate"])
    check_dependence(tables["dependence"])
    print("ok")


main()
