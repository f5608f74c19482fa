"""Edges with their probability -> tracks and divisions. How: magik.linking."""

from magik import job, linking, schema, store
from magik.config import Linking

job.start(snakemake.log[0], rule=snakemake.rule)
tracks = linking.run(
    store.load(snakemake.input.edges, schema.EDGES),
    store.load(snakemake.input.localizations, schema.LOCALIZATIONS),
    Linking(**snakemake.params.linking),
)
store.save(tracks, snakemake.output.tracks, schema.TRACKS, **snakemake.params)
