"""Scores of a sweep -> curves along its axes of numbers. How: magik.plots_sweeps."""

from magik import job, metrics, plots, plots_sweeps

job.start(snakemake.log[0], rule=snakemake.rule)
table = metrics.read_sweep(snakemake.input.csv)
canvas, source = plots_sweeps.overview(table, snakemake.params.axes)
plots.save(canvas, source, *snakemake.output)
