"""Simulated data: trajectories -> localizations, in two tiers -> graphs."""


rule simulate:
    output:
        truth="results/data/{dataset}/{split}/truth.zarr.zip",
    log:
        "results/logs/simulate/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/simulate/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=any_of(simulated()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(800, 1),
        runtime=minutes(5, 0.01),
    params:
        simulate=lambda w: study.datasets[w.dataset].of_split(w.split)[0].model_dump(mode="json"),
        videos=lambda w: study.datasets[w.dataset].of_split(w.split)[1],
        seed=seed("simulate"),
        code=code("simulate"),
    script:
        "../scripts/simulate.py"


rule observe:
    # the tier `coordinates`: true positions, as the paper must have used
    input:
        truth=truth_of,
    output:
        localizations="results/data/{dataset}/{split}/coordinates/localizations.zarr.zip",
    log:
        "results/logs/observe/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/observe/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=any_of(simulated()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(800, 1),
        runtime=minutes(5, 0.01),
    params:
        observe=section("dataset", "observe"),
        seed=seed("observe"),
        code=code("observe"),
    script:
        "../scripts/observe.py"


rule render:
    # the tier `images`: spots or holograms on a camera ...
    input:
        truth=truth_of,
    output:
        movie=temp("results/data/{dataset}/{split}/movie.zarr.zip"),
    log:
        "results/logs/render/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/render/{dataset}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(10, 0.1),
    params:
        render=section("dataset", "render"),
        seed=seed("render"),
        code=code("render"),
    script:
        "../scripts/render.py"


rule localize:
    # ... found again, and matched to the truth
    input:
        movie="results/data/{dataset}/{split}/movie.zarr.zip",
        truth=truth_of,
    output:
        localizations="results/data/{dataset}/{split}/images/localizations.zarr.zip",
        quality="results/data/{dataset}/{split}/images/quality.json",
    log:
        "results/logs/localize/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/localize/{dataset}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(10, 1),
    params:
        localize=section("dataset", "localize"),
        render=section("dataset", "render"),
        code=code("localize"),
    script:
        "../scripts/localize.py"


rule graph:
    input:
        localizations=localizations_of,
        # measured on the training set, where the settings ask for it
        reach=lambda w: (
            f"results/data/{w.dataset}/reach.json"
            if study.datasets[w.dataset].graph.keep is not None
            else []
        ),
    output:
        graphs="results/data/{dataset}/{split}/{tier}/graphs.zarr.zip",
    log:
        "results/logs/graph/{dataset}/{split}/{tier}.log",
    benchmark:
        "results/benchmarks/graph/{dataset}/{split}/{tier}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(800, 3),
        runtime=minutes(5, 0.01),
    params:
        graph=section("dataset", "graph"),
        code=code("graph"),
    script:
        "../scripts/graph.py"
