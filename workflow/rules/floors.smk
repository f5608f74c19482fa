"""Floors that cost many minutes: made for the data sets that ask for them."""


rule floor_link_free:
    # the least error of any method that is not given links: 20 s to 4 min a video of 30 objects and
    # 100 frames, the longer the denser; grows with frames x objects^2 x sweeps
    input:
        localizations=localizations_of,
    output:
        floors="results/data/{dataset}/{split}/{tier}/floors_link_free.zarr.zip",
    log:
        "results/logs/floor_link_free/{dataset}/{split}/{tier}.log",
    benchmark:
        "results/benchmarks/floor_link_free/{dataset}/{split}/{tier}.tsv"
    wildcard_constraints:
        dataset=any_of(name for name, of in study.datasets.items() if of.link_free),
        tier="coordinates",  # images would bring errors
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 240 * attempt,
    params:
        simulate=section("dataset", "simulate"),
        graph=section("dataset", "graph"),
        link_free=section("dataset", "link_free"),
        seed=seed("link_free"),
        code=code("floor_link_free"),
    script:
        "../scripts/floor_link_free.py"
