"""Every point of a sweep is an experiment of its own; here they come together."""


rule sweep:
    input:
        # benchmarks are written with the checkpoints; who deletes one need not train again
        lambda w: [
            path for point in points_of(w.sweep) for training in point[3] for path in training[:2]
        ],
    output:
        csv=report(
            "results/sweeps/{sweep}.csv",
            caption="../report/sweep.rst",
            category="Sweeps",
            labels={"sweep": "{sweep}", "as": "all scores (CSV)"},
        ),
        summary="results/sweeps/{sweep}_summary.csv",
        html=report(
            "results/sweeps/{sweep}_summary.html",
            caption="../report/sweep.rst",
            category="Sweeps",
            labels={"sweep": "{sweep}", "as": "means over seeds (page)"},
        ),
    log:
        "results/logs/sweep/{sweep}.log",
    benchmark:
        "results/benchmarks/sweep/{sweep}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        points=lambda w: points_of(w.sweep),
        code=code("sweep"),
    script:
        "../scripts/sweep.py"


rule sweep_curves:
    # at a glance; figures of your own choice are drawn by `figures:`
    input:
        csv="results/sweeps/{sweep}.csv",
    output:
        pdf="results/sweeps/{sweep}_curves.pdf",
        png=report(
            "results/sweeps/{sweep}_curves.png",
            caption="../report/sweep_curves.rst",
            category="Sweeps",
            labels={"sweep": "{sweep}", "as": "curves"},
        ),
        csv="results/sweeps/{sweep}_curves.csv",
    log:
        "results/logs/sweep_curves/{sweep}.log",
    benchmark:
        "results/benchmarks/sweep_curves/{sweep}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1500 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        axes=lambda w: sweeps.axes_of_numbers(points_here(w.sweep)),
        code=code("sweep_curves"),
    script:
        "../scripts/sweep_curves.py"


rule table:
    # networks side by side, at the tasks whose recordings are on this machine
    input:
        sweeps=lambda w: [
            f"results/sweeps/{name}.csv" for name in study.tables[w.table].sweeps if present(name)
        ],
    output:
        csv=report(
            "results/tables/{table}.csv",
            caption="../report/table.rst",
            category="Sweeps",
            labels={"table": "{table}", "as": "CSV"},
        ),
        html=report(
            "results/tables/{table}.html",
            caption="../report/table.rst",
            category="Sweeps",
            labels={"table": "{table}", "as": "page"},
        ),
    log:
        "results/logs/table/{table}.log",
    benchmark:
        "results/benchmarks/table/{table}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        table=lambda w: study.tables[w.table].model_dump(mode="json"),
        published=[number.model_dump(mode="json") for number in study.published],
        absent=lambda w: absent_of(w.table),
        scale=study.scale,
        code=code("table"),
    script:
        "../scripts/table.py"
