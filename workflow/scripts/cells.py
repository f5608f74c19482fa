"""Masks or detections of cells, and their lineage -> localizations. How: magik.cells."""

from magik import cells, job, schema, store
from magik.config import Source

job.start(snakemake.log[0], rule=snakemake.rule)
max_lag = snakemake.params.max_lag
videos = [cells.read(Source(**source), max_lag) for source in snakemake.params.sources]
store.save(
    cells.join(videos), snakemake.output.localizations, schema.LOCALIZATIONS, **snakemake.params
)
