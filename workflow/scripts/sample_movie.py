"""A user's movie -> localizations. How: magik.recordings, magik.localize."""

from magik import job, localize, recordings, schema, store
from magik.config import Localize

job.start(snakemake.log[0], rule=snakemake.rule)
movie = recordings.read_movie(snakemake.input.movie)
found = localize.find(movie, Localize(**snakemake.params.localize))
store.save(found, snakemake.output.localizations, schema.LOCALIZATIONS, **snakemake.params)
