# The chain: download → prepare → train → finetune → evaluate → export → verify → visualize → report.
# Each rule is one `intaglio` command and one stage of dvc.yaml; workflow/rules/ has them in this order.
from snakemake.utils import min_version

from intaglio.chain.snakefile import data_of, finish, gpus, hold, settings_of, start

min_version("9.0")

SETTINGS = start(workflow, config)


report: "workflow/report/workflow.rst"


wildcard_constraints:
    role="base|target",
    model="base|finetuned",


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"


ROLES = ["base", "target"]
MODELS = ["base", "finetuned"]


rule all:
    default_target: True
    input:
        expand(rules.download.output, role=ROLES),
        expand(rules.prepare.output, role=ROLES),
        rules.train.output,
        rules.finetune.output,
        expand(rules.evaluate.output, model=MODELS),
        expand(rules.export.output, model=MODELS),
        expand(rules.verify.output, model=MODELS),
        expand(rules.visualize.output, model=MODELS),
        rules.report.output,


onstart:
    hold(workflow)


onsuccess:
    finish()


onerror:
    finish()
