"""A recording's tracks -> tables, challenge folder, GEFF, movie, figure: magik.lineages."""

from pathlib import Path

from magik import cells, export, job, lineages, movies, plots, plots_cells, schema, store
from magik.config import Sample
from magik.detections import given

job.start(snakemake.log[0], rule=snakemake.rule)
out, sample = snakemake.output, Sample(**snakemake.params.sample)
px_um, interval_s = sample.pixel_size_um, sample.frame_interval_s
tracks = store.load(snakemake.input.tracks, schema.TRACKS)
seen = cells.recording(sample.cells)
table = lineages.table(tracks, px_um, interval_s, given(sample.cells))
export.save_table(table, out.csv, digits=15)
export.save_table(table, out.parquet)
export.save_table(lineages.napari(tracks), out.napari)
export.save_summary(lineages.napari_graph(tracks), out.napari_graph)
edges = store.load(snakemake.input.edges, schema.EDGES)
export.save_summary(lineages.summary(tracks, edges), out.summary)
lineages.challenge(tracks, seen.labels, out.challenge, tracks.attrs.get("first_frame", 0))
lineages.geff(tracks, Path(out.geff, "tracks.geff"), px_um, interval_s)
movies.movie(tracks, *seen, out.movie, px_um)
drawn = plots_cells.draw_lineages(snakemake.wildcards.sample, tracks, *seen, px_um)
plots.save(*drawn, out.pdf, out.png, out.source)
