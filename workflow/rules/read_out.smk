"""Predictions -> maps, scores beside their floors, figures. No torch here."""


rule floor:
    # what no method can beat, and what simpler ones reach, on the very same videos
    input:
        localizations=localizations_of,
    output:
        floors="results/data/{dataset}/{split}/{tier}/floors.zarr.zip",
    log:
        "results/logs/floor/{dataset}/{split}/{tier}.log",
    benchmark:
        "results/benchmarks/floor/{dataset}/{split}/{tier}.tsv"
    wildcard_constraints:
        dataset=any_of(simulated()),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 5),
        runtime=minutes(10, 0.2),
    params:
        simulate=section("dataset", "simulate"),
        graph=section("dataset", "graph"),
        code=code("floor"),
    script:
        "../scripts/floor.py"


rule floor_motion:
    # the same for exponents, models, and D that switches
    input:
        localizations=localizations_of,
        # trees learn from them, as the network does; the others know the law
        training=lambda w: localizations_of(w, "train") if w.floor == "fractions" else [],
    output:
        floors="results/data/{dataset}/{split}/{tier}/floors_{floor}.zarr.zip",
    log:
        "results/logs/floor_motion/{dataset}/{split}/{tier}/{floor}.log",
    benchmark:
        "results/benchmarks/floor_motion/{dataset}/{split}/{tier}/{floor}.tsv"
    wildcard_constraints:
        dataset=any_of(simulated()),
        floor=any_of(FLOORS_OF_MOTION),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 5),
        runtime=minutes(20, 0.5),
    params:
        simulate=section("dataset", "simulate"),
        graph=section("dataset", "graph"),
        of=lambda w: of_videos(w.floor),
        code=code("floor_motion"),
    script:
        "../scripts/floor_motion.py"


rule change_points:
    # when D of an object changed, along its true track
    input:
        predictions="results/runs/{experiment}/{tier}/seed{seed}/predictions_{split}.zarr.zip",
        localizations=of_dataset("results/data/{dataset}/{split}/{tier}/localizations.zarr.zip"),
    output:
        changes="results/runs/{experiment}/{tier}/seed{seed}/change_points_{split}.zarr.zip",
    log:
        "results/logs/change_points/{experiment}/{tier}/seed{seed}/{split}.log",
    benchmark:
        "results/benchmarks/change_points/{experiment}/{tier}/seed{seed}/{split}.tsv"
    wildcard_constraints:
        experiment=any_of(n for n in study.experiments if motion_floor(n) == "switching"),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        simulate=simulate_of_experiment,
        code=code("change_points"),
    script:
        "../scripts/change_points.py"


rule map:
    input:
        predictions="results/runs/{experiment}/{tier}/seed{seed}/predictions_long.zarr.zip",
        truth=of_dataset("results/data/{dataset}/long/truth.zarr.zip"),
        floors=of_dataset("results/data/{dataset}/long/{tier}/floors.zarr.zip"),
    output:
        maps="results/runs/{experiment}/{tier}/seed{seed}/maps.zarr.zip",
    log:
        "results/logs/map/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/map/{experiment}/{tier}/seed{seed}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        map=section("experiment", "map"),
        code=code("map"),
    script:
        "../scripts/map.py"


rule score:
    input:
        predictions="results/runs/{experiment}/{tier}/seed{seed}/predictions_test.zarr.zip",
        floors=of_dataset("results/data/{dataset}/test/{tier}/floors.zarr.zip"),
        link_free=link_free_of,
        maps=lambda w: (
            "results/runs/{experiment}/{tier}/seed{seed}/maps.zarr.zip"
            if has_map(w.experiment)
            else []
        ),
        quality=lambda w: (
            of_dataset("results/data/{dataset}/test/images/quality.json")(w)
            if w.tier == "images"
            else []
        ),
    output:
        scores="results/runs/{experiment}/{tier}/seed{seed}/scores.csv",
    log:
        "results/logs/score/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/score/{experiment}/{tier}/seed{seed}.tsv"
    wildcard_constraints:
        experiment=any_of(n for n in experiments_at("node") if not motion_floor(n)),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        run=lambda w: [w.experiment, w.tier, int(w.seed)],
        code=code("score"),
    script:
        "../scripts/score.py"


rule score_motion:
    input:
        predictions="results/runs/{experiment}/{tier}/seed{seed}/predictions_test.zarr.zip",
        floors=lambda w: of_dataset(
            f"results/data/{{dataset}}/test/{{tier}}/floors_{motion_floor(w.experiment)}.zarr.zip"
        )(w),
        quality=lambda w: (
            of_dataset("results/data/{dataset}/test/images/quality.json")(w)
            if w.tier == "images"
            else []
        ),
    output:
        scores="results/runs/{experiment}/{tier}/seed{seed}/scores.csv",
    log:
        "results/logs/score_motion/{experiment}/{tier}/seed{seed}.log",
    benchmark:
        "results/benchmarks/score_motion/{experiment}/{tier}/seed{seed}.tsv"
    wildcard_constraints:
        experiment=any_of(name for name in study.experiments if motion_floor(name)),
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        run=lambda w: [w.experiment, w.tier, int(w.seed)],
        of=lambda w: of_videos(motion_floor(w.experiment)),
        simulate=simulate_of_experiment,
        code=code("score_motion"),
    script:
        "../scripts/score_motion.py"


rule scores:
    input:
        scores=[f"{run}/scores.csv" for run in runs()],
    output:
        csv=report(
            "results/scores.csv",
            caption="../report/scores.rst",
            category="Scores",
            labels={"table": "all scores", "as": "CSV"},
        ),
        html=report(
            "results/scores.html",
            caption="../report/scores.rst",
            category="Scores",
            labels={"table": "all scores", "as": "page"},
        ),
    log:
        "results/logs/scores/all.log",
    benchmark:
        "results/benchmarks/scores/all.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 5 * attempt,
    params:
        published=[number.model_dump(mode="json") for number in study.published],
        code=code("scores"),
    script:
        "../scripts/scores.py"


rule named_scores:
    # of the experiments that config.yaml lists, also of those left out of the table of all
    input:
        scores=lambda w: [f"{run}/scores.csv" for run in runs_of(study.scores[w.scores])],
    output:
        csv=report(
            "results/scores/{scores}.csv",
            caption="../report/scores.rst",
            category="Scores",
            labels={"table": "{scores}", "as": "CSV"},
        ),
        html=report(
            "results/scores/{scores}.html",
            caption="../report/scores.rst",
            category="Scores",
            labels={"table": "{scores}", "as": "page"},
        ),
    log:
        "results/logs/named_scores/{scores}.log",
    benchmark:
        "results/benchmarks/named_scores/{scores}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 5 * attempt,
    params:
        published=[number.model_dump(mode="json") for number in study.published],
        code=code("scores"),
    script:
        "../scripts/scores.py"


rule figure_scores:
    # of what a figure shows, also where that is left out of the table of all
    input:
        scores=lambda w: scores_of_figure(w.figure),
    output:
        csv=report(
            "results/figures/{figure}_scores.csv",
            caption="../report/scores.rst",
            category="Figures",
            labels={"figure": "{figure}", "as": "scores"},
        ),
        html="results/figures/{figure}_scores.html",
    log:
        "results/logs/figure_scores/{figure}.log",
    benchmark:
        "results/benchmarks/figure_scores/{figure}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 5 * attempt,
    params:
        published=[number.model_dump(mode="json") for number in study.published],
        code=code("scores"),
    script:
        "../scripts/scores.py"


rule still:
    # the first images of a movie, and of one of each class: what figures show of it
    input:
        truth=truth_of,
    output:
        still="results/data/{dataset}/{split}/still.zarr.zip",
    log:
        "results/logs/still/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/still/{dataset}/{split}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1500 * attempt,
        runtime=lambda w, attempt: 5 * attempt,
    params:
        render=section("dataset", "render"),
        seed=seed("render"),
        code=code("still"),
    script:
        "../scripts/still.py"


rule figure:
    input:
        files_of_panels,
    output:
        pdf=report(
            "results/figures/{figure}.pdf",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "as": "PDF"},
        ),
        png=report(
            "results/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "as": "picture"},
        ),
        csv=report(
            "results/figures/{figure}.csv",
            caption="../report/figure_source.rst",
            category="Figures",
            labels={"figure": "{figure}", "as": "source data"},
        ),
    log:
        "results/logs/figure/{figure}.log",
    benchmark:
        "results/benchmarks/figure/{figure}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=lambda w, attempt: 15 * attempt,
    params:
        figure=lambda w: study.figures[w.figure].model_dump(mode="json"),
        paths=lambda w: panels(w),
        code=code("figure"),
    script:
        "../scripts/figure.py"


rule weights:
    # a network as it ships, and its model card
    input:
        checkpoint=lambda w: f"{first_run(w.experiment)}/checkpoint.safetensors",
        scores=lambda w: f"{first_run(w.experiment)}/scores.csv",
    output:
        weights="results/weights/{experiment}.safetensors",
        card="results/weights/{experiment}.md",
    log:
        "results/logs/weights/{experiment}.log",
    benchmark:
        "results/benchmarks/weights/{experiment}.tsv"
    conda:
        "../../envs/magik.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 5 * attempt,
    params:
        about=lambda w: about(w.experiment),
        published=[number.model_dump(mode="json") for number in study.published],
        code=code("weights"),
    script:
        "../scripts/weights.py"
