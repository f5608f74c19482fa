"""Stores, scores, recordings -> a figure and its source data. How: magik.plots, plots_*."""

from magik import (
    cells,
    job,
    metrics,
    plots,
    plots_cells,
    plots_matrix,
    plots_motion,
    plots_sweeps,
    schema,
    store,
)
from magik.config import Figure, Source

job.start(snakemake.log[0], rule=snakemake.rule)
read = {name: lambda path, of=of: store.open(path, of) for name, of in schema.LAYOUTS.items()}
read |= {"scores": metrics.read, "sweep": metrics.read_sweep}
read["cells"] = lambda given: cells.recording(Source(**given))
panels = snakemake.params.paths.items()
data = {letter: {kind: read[kind](given) for kind, given in of.items()} for letter, of in panels}
drawers = plots.PANELS | plots_cells.PANELS | plots_motion.PANELS
drawers |= plots_sweeps.PANELS | plots_matrix.PANELS
drawn = plots.draw(Figure(**snakemake.params.figure), data, drawers)
plots.save(*drawn, snakemake.output.pdf, snakemake.output.png, snakemake.output.csv)
