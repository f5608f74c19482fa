"""A recording's localizations, map and distribution of D, drawn. How: magik.plots."""

import pandas as pd

from magik import job, plots, recordings, schema, store
from magik.config import Sample

job.start(snakemake.log[0], rule=snakemake.rule)
sample = Sample(**snakemake.params.sample)
table = pd.read_parquet(snakemake.input.table)
maps = store.load(snakemake.input.maps, schema.MAPS)
movie = recordings.read_movie(sample.movie) if sample.movie else None
drawn = plots.draw_sample(snakemake.wildcards.sample, table, maps, sample, movie)
plots.save(*drawn, snakemake.output.pdf, snakemake.output.png, snakemake.output.csv)
