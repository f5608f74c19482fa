"""Cells of annotated recordings -> localizations; edges -> tracks, beside other linkers."""


rule fetch:
    # only for what is not here: a folder of the user's own is never touched
    output:
        folder=directory("data/cells/{absent}"),
    log:
        "results/logs/fetch/{absent}.log",
    benchmark:
        "results/benchmarks/fetch/{absent}.tsv"
    wildcard_constraints:
        absent=any_of(to_fetch()),
    localrule: True
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 500 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        code=code("fetch"),
    script:
        "../scripts/fetch.py"


rule cells:
    input:
        lambda w: files_of_cells(w.dataset, w.split),
    output:
        localizations="results/data/{dataset}/{split}/coordinates/localizations.zarr.zip",
    log:
        "results/logs/cells/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/cells/{dataset}/{split}.tsv"
    wildcard_constraints:
        dataset=any_of(annotated()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        sources=lambda w: sources(w.dataset, w.split),
        max_lag=lambda w: lag_of_overlaps(w.dataset),
        files=lambda w: stamp(*recordings(w.dataset, w.split)),
        code=code("cells"),
    script:
        "../scripts/cells.py"


rule reach:
    # the smallest that holds the true links of the training set
    input:
        localizations="results/data/{dataset}/train/coordinates/localizations.zarr.zip",
    output:
        graph="results/data/{dataset}/reach.json",
    log:
        "results/logs/reach/{dataset}.log",
    benchmark:
        "results/benchmarks/reach/{dataset}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1500 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        graph=section("dataset", "graph"),
        code=code("reach"),
    script:
        "../scripts/reach.py"


rule predict_edges:
    input:
        checkpoint="results/runs/{experiment}/{tier}/seed{seed}/checkpoint.safetensors",
        graphs=of_dataset("results/data/{dataset}/{split}/{tier}/graphs.zarr.zip"),
    output:
        edges="results/runs/{experiment}/{tier}/seed{seed}/edges_{split}.zarr.zip",
    log:
        "results/logs/predict_edges/{experiment}/{tier}/seed{seed}/{split}.log",
    benchmark:
        "results/benchmarks/predict_edges/{experiment}/{tier}/seed{seed}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        gpu=lambda w: wants_gpu(w.experiment),
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        predict=section("experiment", "predict"),
        code=code("predict_edges"),
    script:
        "../scripts/predict_edges.py"


rule link:
    input:
        edges="results/runs/{experiment}/{tier}/seed{seed}/edges_{split}.zarr.zip",
        localizations=of_dataset("results/data/{dataset}/{split}/{tier}/localizations.zarr.zip"),
    output:
        tracks="results/runs/{experiment}/{tier}/seed{seed}/tracks_{split}.zarr.zip",
    log:
        "results/logs/link/{experiment}/{tier}/seed{seed}/{split}.log",
    benchmark:
        "results/benchmarks/link/{experiment}/{tier}/seed{seed}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        linking=section("experiment", "linking"),
        code=code("link"),
    script:
        "../scripts/link.py"


rule rival:
    # what a user would take otherwise, its parameters chosen on the training video
    input:
        training="results/data/{dataset}/train/coordinates/localizations.zarr.zip",
        localizations="results/data/{dataset}/test/coordinates/localizations.zarr.zip",
    output:
        tracks="results/data/{dataset}/test/coordinates/tracks_{linker}.zarr.zip",
    log:
        "results/logs/rival/{dataset}/{linker}.log",
    benchmark:
        "results/benchmarks/rival/{dataset}/{linker}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        code=code("rival"),
    script:
        "../scripts/rival.py"


rule score_tracks:
    input:
        files=lambda w: files_of_cells(study.experiments[w.experiment].dataset, "test"),
        tracks="results/runs/{experiment}/{tier}/seed{seed}/tracks_test.zarr.zip",
        edges="results/runs/{experiment}/{tier}/seed{seed}/edges_test.zarr.zip",
        rivals=rivals,
    output:
        scores="results/runs/{experiment}/{tier}/seed{seed}/scores.csv",
    log:
        "results/logs/score_tracks/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/score_tracks/{experiment}/{tier}/seed{seed}.tsv"
    wildcard_constraints:
        experiment=any_of(linking_experiments()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        run=lambda w: [w.experiment, w.tier, int(w.seed)],
        threshold=lambda w: study.experiments[w.experiment].linking.threshold,
        sources=lambda w: sources(study.experiments[w.experiment].dataset, "test"),
        code=code("score_tracks"),
    script:
        "../scripts/score_tracks.py"


rule score_links:
    # of simulated objects
    input:
        tracks="results/runs/{experiment}/{tier}/seed{seed}/tracks_test.zarr.zip",
        edges="results/runs/{experiment}/{tier}/seed{seed}/edges_test.zarr.zip",
        floors=of_dataset("results/data/{dataset}/test/{tier}/floors.zarr.zip"),
        link_free=link_free_of,
    output:
        scores="results/runs/{experiment}/{tier}/seed{seed}/scores.csv",
    log:
        "results/logs/score_links/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/score_links/{experiment}/{tier}/seed{seed}.tsv"
    wildcard_constraints:
        experiment=any_of(linking_simulated()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        run=lambda w: [w.experiment, w.tier, int(w.seed)],
        threshold=lambda w: study.experiments[w.experiment].linking.threshold,
        code=code("score_links"),
    script:
        "../scripts/score_links.py"
