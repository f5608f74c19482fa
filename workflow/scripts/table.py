"""Tables of sweeps -> networks side by side, as CSV and as a page. How: magik.tables."""

from magik import job, metrics, tables
from magik.config import Published, Table

job.start(snakemake.log[0], rule=snakemake.rule)
params = snakemake.params
table = Table(**params.table)
sweeps = map(metrics.read_sweep, snakemake.input.sweeps)
published = [Published(**number) for number in params.published]
found = tables.compare(list(sweeps), table, published, params.absent)
metrics.write(found, snakemake.output.csv)
tables.write_page(found, table, snakemake.output.html, params.scale, params.absent)
