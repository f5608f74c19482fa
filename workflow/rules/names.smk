"""Short targets: `snakemake fig4` makes that figure, `snakemake water` that sample, no more."""

for name in study.figures:

    rule:
        name:
            name
        localrule: True
        input:
            results_of_figure(name),


for name in study.samples:

    rule:
        name:
            name
        localrule: True
        input:
            results_of_sample(name),
