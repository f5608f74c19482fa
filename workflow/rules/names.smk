"""Short targets: `snakemake fig4` makes that figure, `snakemake water` that sample, no more."""

for name in [*study.figures, *study.sweep, *study.tables, *study.samples]:
    if any(name == rule.name for rule in workflow.rules):
        sys.exit(f"error: config.yaml: '{name}' is the name of a rule; choose another")

for name in study.figures:

    rule:
        name:
            name
        input:
            results_of_figure(name),
        localrule: True


for name in study.sweep:

    rule:
        name:
            name
        input:
            results_of_sweep(name),
        localrule: True


for name in study.tables:

    rule:
        name:
            name
        input:
            results_of_table(name),
        localrule: True


for name in study.samples:

    rule:
        name:
            name
        input:
            results_of_sample(name),
        localrule: True
