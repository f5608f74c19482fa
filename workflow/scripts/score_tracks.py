"""Tracks of the network and of other linkers on the same cells -> scores. How: magik.aogm."""

from magik import aogm, cells, job, metrics, schema, store
from magik.config import Source

given, params = snakemake.input, snakemake.params
job.start(snakemake.log[0], rule=snakemake.rule)
network = store.load(given.tracks, schema.TRACKS)
edges = store.load(given.edges, schema.EDGES)
rivals = [store.load(path, schema.TRACKS) for path in given.rivals]
markers = [cells.gold(Source(**source)) for source in params.sources]
gold = [one and aogm.Gold(*one) for one in markers]
scores = {"network": aogm.scores(network, edges, params.threshold, gold)}
scores |= {tracks.attrs["linker"]: aogm.scores(tracks, gold=gold) for tracks in rivals}
metrics.write(metrics.of_linking(*params.run, scores), snakemake.output.scores)
