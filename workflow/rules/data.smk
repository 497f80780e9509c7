rule download:
    input:
        code="workflow/code/download.json",
    output:
        "data/raw/{role}.tar",
    log:
        "logs/download.{role}.log",
    threads: 1
    params:
        settings=settings_of("download"),
    shell:
        "intaglio download --params params.yaml --role {wildcards.role} --output {output}"


rule prepare:
    input:
        code="workflow/code/prepare.json",
        raw="data/raw/{role}.tar",
    output:
        "data/prepared/{role}.safetensors",
    log:
        "logs/prepare.{role}.log",
    threads: 1
    params:
        settings=settings_of("prepare"),
    shell:
        "intaglio prepare --params params.yaml --role {wildcards.role} --raw {input.raw} --output {output}"
