"""Movie -> localizations of the tier `images`, named by the truth. How: magik.microscope."""

import json
from pathlib import Path

from magik import job, localize, microscope, schema, store
from magik.config import Localize, Render

job.start(snakemake.log[0], rule=snakemake.rule)
config = Localize(**snakemake.params.localize)
movie = store.load(snakemake.input.movie, schema.MOVIE)
truth = store.load(snakemake.input.truth, schema.LOCALIZATIONS)
found = microscope.find(movie, config, Render(**snakemake.params.render))
found = localize.match(found, truth, config.match_radius)
store.save(found, snakemake.output.localizations, schema.LOCALIZATIONS, **snakemake.params)
Path(snakemake.output.quality).write_text(json.dumps(localize.quality(found, truth), indent=2))
