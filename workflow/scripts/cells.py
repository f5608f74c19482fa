"""Masks or detections of cells, and their lineage -> localizations. How: magik.cells."""

from magik import cells, job, schema, store
from magik.config import Source

job.start(snakemake.log[0], rule=snakemake.rule)
videos = [cells.read(Source(**source)) for source in snakemake.params.sources]
store.save(
    cells.join(videos), snakemake.output.localizations, schema.LOCALIZATIONS, **snakemake.params
)
