"""Links of simulated objects, by the network and by others -> scores. How: magik.metrics."""

from magik import job, metrics, schema, store

given, params = snakemake.input, snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule)
scores = metrics.of_links(
    *params.run,
    tracks=store.load(given.tracks, schema.TRACKS),
    edges=store.load(given.edges, schema.EDGES),
    found=store.load(given.floors, schema.FLOORS),
    threshold=params.threshold,
)
metrics.write(scores, snakemake.output.scores)
