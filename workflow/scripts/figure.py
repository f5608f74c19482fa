"""Stores and scores -> a figure and its source data. How: magik.plots."""

from magik import job, metrics, plots, schema, store
from magik.config import Figure

job.start(snakemake.log[0], rule=snakemake.rule)
read = {name: lambda path, of=of: store.open(path, of) for name, of in schema.LAYOUTS.items()}
read["scores"] = metrics.read
data = {
    letter: {kind: read[kind](path) for kind, path in paths.items()}
    for letter, paths in snakemake.params.paths.items()
}
drawn = plots.draw(Figure(**snakemake.params.figure), data)
plots.save(*drawn, snakemake.output.pdf, snakemake.output.png, snakemake.output.csv)
