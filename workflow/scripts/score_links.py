"""Links of simulated objects, by the network and by others -> scores. How: magik.metrics."""

from magik import aogm, job, metrics, schema, store

given, params = snakemake.input, snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule)
edges = store.load(given.edges, schema.EDGES)
all_linked = -1.0  # no probability is below
thresholds = {"network": params.threshold, "constant": all_linked}
scores = metrics.of_links(
    *params.run,
    tracks=store.load(given.tracks, schema.TRACKS),
    found=store.load(given.floors, schema.FLOORS),
    candidates={name: aogm.candidate_f1(edges, above) for name, above in thresholds.items()},
    link_free=store.load(given.link_free, schema.FLOORS) if given.link_free else None,
)
metrics.write(scores, snakemake.output.scores)
